"""vLLM's settings and the check that it is the same policy, with transformers' own generation as the engine."""

from typing import Any

import pytest
import torch
from runtimes import runtime

from refinepoi.core.errors import UserError
from refinepoi.grpo.parity import Greedy, parity, require_parity
from refinepoi.grpo.settings import _engine
from refinepoi.grpo.spec import ParitySpec
from refinepoi.model.load import LanguageModel, load

SPEC = ParitySpec(prompts=4, same=0.98, logprob=0.02)


def generating(language: LanguageModel) -> Greedy:
    """Hugging Face's `generate`, one prompt after the other."""

    def greedy(prompts: list[list[int]], length: int) -> tuple[list[list[int]], list[list[float]]]:
        tokens, logprobs = [], []
        for prompt in prompts:
            output = language.model.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=length, return_dict_in_generate=True, output_logits=True,
            )  # fmt: skip
            answer = output.sequences[0, len(prompt) :].tolist()
            tokens.append(answer)
            logprobs.append([float(s[0].log_softmax(-1)[t]) for s, t in zip(output.logits, answer, strict=True)])
        return tokens, logprobs

    return greedy


def test_the_same_policy_passes(world: Any) -> None:
    language = load(world.warm_start.model)
    prompts = world.prompts.table["prompt"].to_list()
    found = require_parity(SPEC, generating(language), language, prompts, 8)
    assert found.same == 1.0 and found.logprob < 1e-5 and 4 <= found.tokens <= 32


def test_another_policy_is_refused(world: Any) -> None:
    """One row of the head, that of a token the model likes, is off: what a missed token row comes to."""
    language, engine = load(world.warm_start.model), load(world.warm_start.model)
    prompts = world.prompts.table["prompt"].to_list()
    liked = generating(language)(language.tokenizer(prompts[:1])["input_ids"], 1)[0][0][0]
    with torch.no_grad():
        engine.model.get_output_embeddings().weight[liked] *= -1
    with pytest.raises(UserError, match=r"grpo.engine: over \d+ tokens, .* grpo.engine=transformers"):
        require_parity(SPEC, generating(engine), language, prompts, 8)


def test_log_probabilities_alone_tell_a_wrong_temperature(world: Any) -> None:
    language, engine = load(world.warm_start.model), load(world.warm_start.model)
    encoded = language.tokenizer(world.prompts.table["prompt"].head(4).to_list())["input_ids"]
    with torch.no_grad():
        engine.model.model.norm.weight /= 2.0  # the same order of tokens, flatter
    found = parity(generating(engine), language, encoded, 1)
    assert found.same == 1.0 and found.logprob > SPEC.logprob


def test_what_trl_is_told(world: Any) -> None:
    vllm = runtime(vllm={"host": "gpu7", "port": 9000, "timeout": 60.0, "memory": 0.4, "sleep": True}).vllm
    free = {"sampler": "free", "credit": "list"}
    assert _engine(world.changed(**free), vllm) == {"use_vllm": False}
    told = _engine(world.changed(**free, engine="vllm_server"), vllm)
    assert told["vllm_mode"] == "server" and (told["vllm_server_host"], told["vllm_server_port"]) == ("gpu7", 9000)
    told = _engine(world.changed(**free, engine="vllm_colocate"), vllm)
    assert told["vllm_mode"] == "colocate" and told["vllm_gpu_memory_utilization"] == 0.4


def test_vllm_is_refused_where_it_cannot_run(world: Any, run: Any) -> None:
    with pytest.raises(ValueError, match="engine=vllm_server does not go with sampler=constrained: use sampler=free"):
        world.changed(engine="vllm_server")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"grpo.engine: vllm_colocate needs a GPU .* grpo.engine=transformers"):
            run(sampler="free", credit="list", engine="vllm_colocate")


@pytest.mark.gpu
def test_vllm_answers_as_transformers_does(run: Any) -> None:
    pytest.importorskip("vllm", reason="vllm is not installed")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    run(sampler="free", credit="list", engine="vllm_colocate", steps=1)  # raises where it does not
