"""Stages for tests of several processes: they use the Context and the ranks, and no model."""

import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from refinepoi.core import interruption
from refinepoi.core.errors import UserError
from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, stage


@dataclass(frozen=True)
class Text:
    text: str

    def save(self, folder: Path) -> None:
        (folder / "text.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls((folder / "text.txt").read_text())


class Say(Spec):
    word: str


@stage(version=1, makes=Text, name="say", parallel=True)
def say(context: Context, spec: Say, before: Artifact[Text]) -> None:
    from refinepoi.training import ranks

    squares = ranks.spread(lambda rows: np.stack([rows, rows**2], 1), 5)
    assert ranks.anyone(context.rank == 1) and not ranks.anyone(False)
    context.log.metrics({"rank": context.rank, "loss": 0.5}, step=7)
    with context.progress(total=3, unit="step") as bar:
        bar.update(3)
        bar.set_postfix({"MRR": "0.5"})
    logging.getLogger("refinepoi").warning("rank %d speaks", context.rank)
    context.cost["tokens"] = 12.0
    threads = os.environ["OMP_NUM_THREADS"]
    if context.main:
        text = f"{before.load().text} {spec.word} {context.processes} {squares[:, 1].tolist()} {threads}"
        Text(text).save(context.folder)


@stage(version=1, makes=Text, name="fail", parallel=True)
def fail(context: Context, spec: Say) -> None:
    from refinepoi.training import ranks

    if context.rank == 1:
        print("the last words")
        if spec.word == "user":
            raise UserError("sft.batch_size: too small")
        if spec.word == "killed":
            print("", end="", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("broken")
    ranks.wait()  # for ever: the other one never comes


@stage(version=1, makes=Text, name="linger", parallel=True)
def linger(context: Context, spec: Say) -> None:
    """Works until it is asked to stop; then every rank leaves a word and goes."""
    from refinepoi.training import ranks

    with interruption.saving():
        (context.work / f"started-{context.rank}").write_text(str(os.getpid()))
        while not ranks.anyone(interruption.asked()):
            time.sleep(0.05)
        (context.work / f"saved-{context.rank}").touch()
        interruption.leave()


@stage(version=1, makes=Text, name="stumble", parallel=True)
def stumble(context: Context, spec: Say) -> None:
    """Works until it is asked to stop; then rank 1 cannot save."""
    from refinepoi.training import ranks

    with interruption.saving():
        (context.work / f"started-{context.rank}").write_text(str(os.getpid()))
        while not ranks.anyone(interruption.asked()):
            time.sleep(0.05)
        if context.rank == 1:
            raise UserError("runtime.store: the disk is full")
        ranks.wait()
        interruption.leave()


@stage(version=1, makes=Text, name="shard", parallel=True)
def shard(context: Context, spec: Spec, prompts: Artifact[Any], semantic_ids: Artifact[Any]) -> None:
    """A model and its FSDP2-sharded copy must answer, score, learn and be saved alike."""
    import torch
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from refinepoi.decoding.lists import decode_lists
    from refinepoi.grpo.train import catalogue_trie
    from refinepoi.grpo.trainer import list_logps
    from refinepoi.model.load import build, load
    from refinepoi.training.shards import PolicySaver, through

    known, ids = prompts.load(), semantic_ids.load()
    whole, sharded = (build(spec, known, ids) for _ in range(2))  # type: ignore[arg-type]
    trie = catalogue_trie(ids, whole.tokenizer)
    saver = PolicySaver(sharded, sharded=True)
    mesh = init_device_mesh("cpu", (context.processes,))
    model: Any = sharded.model
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)

    encoded = whole.tokenizer(known.table["prompt"].head(1).to_list() * 2)["input_ids"]
    prompt, mask = torch.tensor(encoded), torch.ones(2, len(encoded[0]), dtype=torch.long)
    lists = decode_lists(whole.model, trie, prompt, mask, 3)
    assert through(model, model, decode_lists, trie, prompt, mask, 3).tokens.equal(lists.tokens)

    rows, seen = torch.cat([prompt, lists.tokens], 1), torch.cat([mask, torch.ones_like(lists.tokens)], 1)
    arguments = trie, rows, seen, lists.tokens.shape[1], 1.0
    expected, _ = list_logps(whole.model, *arguments)
    found, _ = through(model, model, list_logps, *arguments)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    for scored, of in ((expected, whole.model), (found, model)):
        (-scored.sum()).backward()
        torch.optim.SGD(of.parameters(), lr=0.1).step()
    saver(context.work / "saved")
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    get_model_state_dict(model, options=options)  # the model is as it was: it can be asked again
    if context.main:
        weights = load(context.work / "saved").model.state_dict()
        for name, value in whole.model.state_dict().items():
            torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=0)
        Text("alike").save(context.folder)


@stage(version=1, makes=Text, name="reason", parallel=True)
def reason(context: Context, spec: Say) -> None:
    """Rank 0's answer has no reasoning, rank 1's does not end: they must come to each layer equally often."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from refinepoi.decoding.trie import Trie
    from refinepoi.training import ranks
    from refinepoi.training.validation import Validation

    tokenizer = AutoTokenizer.from_pretrained(spec.word, pad_token_id=0)
    whole, sharded = (AutoModelForCausalLM.from_pretrained(spec.word).eval() for _ in range(2))
    asked, trie = ["Coffee", "Coffee <think>"], Trie.of(np.array([[5, 6], [5, 7], [8, 6], [8, 9]]))
    validation = Validation(asked, np.array([0, 1]), trie, k=3, batch=1, thinking=6)
    passes: list[torch.Size] = []
    hook = whole.model.layers[0].register_forward_hook(lambda _, given, __: passes.append(given[0].shape))
    expected = validation.lists(whole, tokenizer)
    hook.remove()
    counts = ranks.spread(lambda _: np.array([[len(passes)]]), context.processes)[:, 0].tolist()
    assert counts[0] == counts[1], counts
    mesh = init_device_mesh("cpu", (context.processes,))
    for layer in sharded.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    assert (validation.lists(sharded, tokenizer) == expected).all()
    if context.main:
        Text("alike").save(context.folder)
