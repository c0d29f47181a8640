"""A model whose induction heads stand in place names what followed a token before, untrained."""

from typing import Any

import numpy as np
import pytest
import torch
from options import option
from pydantic import TypeAdapter
from transformers import LlamaConfig, LlamaForCausalLM

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.model.copying import offsets, start_copying
from refinepoi.model.load import build
from refinepoi.model.spec import ModelSpec

IDS, WORDS, PERIOD = 300, 100, 8  # candidates of six words and an ID of two tokens


def fresh(seed: int, copying: bool) -> Any:
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=IDS + WORDS, hidden_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
        intermediate_size=256, tie_word_embeddings=True, initializer_range=0.02, head_dim=48,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    ))  # fmt: skip
    if copying:
        start_copying(model, (1, PERIOD - 1))
    return model.eval()


def copied(model: Any, seed: int) -> tuple[float, float]:
    """Share of prompts of 20 candidates after which the second token of an ID, and the first of the next, stand first.

    The prompt ends with the first token, or with both, of one of the first 19 candidates; only ID tokens are ranked.
    """
    draw = np.random.default_rng(seed)
    hits = np.zeros(2)
    for _ in range(50):
        words = draw.integers(IDS, IDS + WORDS, (20, PERIOD - 2))
        ids = draw.permutation(IDS)[:40].reshape(20, 2)
        prompt = np.concatenate([words, ids], 1).ravel()
        picked = int(draw.integers(19))
        for number, (end, right) in enumerate([(ids[picked, :1], ids[picked, 1]), (ids[picked], ids[picked + 1, 0])]):
            with torch.no_grad():
                scores = model(torch.tensor([[*prompt, IDS, *end]])).logits[0, -1, :IDS]
            scores[end] = -torch.inf  # tied embeddings name the present token; a list never repeats it
            hits[number] += int(scores.argmax()) == right
    return tuple(hits / 50)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_copies_before_it_has_learned_anything(seed: int) -> None:
    inside, onward = copied(fresh(seed, copying=True), seed)
    assert inside > 0.8 and onward > 0.8, (inside, onward)
    assert max(copied(fresh(seed, copying=False), seed)) < 0.1


def test_offsets_are_inside_an_id_and_from_one_to_the_next() -> None:
    ids = {100, 101, 102, 103}
    assert offsets([[1, 100, 101, 1, 2, 102, 103, 3], [100, 101, 4, 4, 102, 103]], ids) == (1, 3)
    assert offsets([[100, 101, 5, 100, 103, 5, 6, 7, 101, 102, 5, 100]], ids) == (1, 2)
    assert offsets([[1, 2, 3], [], [100, 101, 102, 103]], ids) == (1,)


def test_the_setting_reaches_the_model(prompts: Prompts, semantic_ids: SemanticIds) -> None:
    values = option("model", "micro") | {"seed": 0}

    def weights(**changes: Any) -> Any:
        spec = TypeAdapter[Any](ModelSpec).validate_python(values | changes)
        return build(spec, prompts, semantic_ids).model

    one, two, plain = weights(), weights(), weights(start="random")
    assert one.config.rope_parameters["rope_theta"] == 1e6
    pairs = list(zip(one.parameters(), two.parameters(), plain.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not torch.equal(*(m.model.layers[0].self_attn.q_proj.weight for m in (one, plain)))
