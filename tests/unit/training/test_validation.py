"""Validation while a policy trains: what it measures is what evaluation will measure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from folders import thinking_folder
from models import pretrained

from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.decoding.trie import Trie
from refinepoi.model.load import build
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.settle import settle
from refinepoi.training.validation import Validation

IDS = SemanticIds(np.array([[0, 0], [0, 1], [1, 0], [2, 3]], np.int32), ((2, 2), (2, 2)), "nearest_free")
SAID = "Gym first, then home."


def test_a_policy_that_reasons_is_measured_after_its_reasoning(tmp_path: Path) -> None:
    """After its closing mark this one names place 3 first, right after the question place 0."""
    rows = {"query": [0, 1], "split": [1, 1], "prompt": ["Where next?", "And now, after the bar?"]}
    table = pl.DataFrame(rows | {"answer": ["", ""], "ranked": ["", ""], "target": [3, 3]}).cast(TABLE)  # type: ignore[arg-type]
    facts = {"chat": "auto", "reasoning": True, "template": "question"}
    prompts = Prompts(table, pl.DataFrame(schema=STREAMS), (), IDS.tokens, 4, facts)
    language = build(pretrained(thinking_folder(tmp_path, SAID)), prompts, IDS)
    model, tokenizer = language.model, language.tokenizer
    numbers = np.array(id_token_numbers(tokenizer, IDS.tokens))[IDS.token_index]
    last, closing = tokenizer.convert_tokens_to_ids(["\u010a", "</think>"])
    with torch.no_grad():
        known = model.model.norm(model.model.embed_tokens.weight)
        for mark, place in ((last, 0), (closing, 3)):
            model.lm_head.weight[numbers[place, 0]] += known[mark] / 8  # less than what its own text weighs
    sample = Validation.sample(settle(prompts, tokenizer), Trie.of(numbers), 10, 2, 0, thinking=30)
    assert sample.lists(model, tokenizer)[:, 0].tolist() == [3, 3] and sample.measure(model, tokenizer)["MRR"] == 1.0
    assert replace(sample, thinking=0).lists(model, tokenizer)[:, 0].tolist() != [3, 3]
