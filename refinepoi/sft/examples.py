"""From prompts to examples, one function for each phase.

The answer of a query is a list of k IDs and the end token. Only positions with a weight are learned.
"""

from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.errors import DataError
from refinepoi.core.seeding import generator
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.sft.data import Change, Examples, Ints
from refinepoi.sft.imitate import Imitation
from refinepoi.sft.relabel import Relabelling
from refinepoi.sft.spec import AlignmentPhase, AnswerPhase, ListPhase, StreamPhase


def train_table(prompts: Prompts) -> pl.DataFrame:
    """The prompts of the train split. Raises DataError where there are none."""
    table = prompts.table.filter(pl.col("split") == SPLITS.index("train"))
    if table.height == 0:
        raise DataError("prompts: no train queries, nothing to learn from; choose another split or sample rule")
    return table


def stream_examples(prompts: Prompts, tokenizer: Any, phase: StreamPhase) -> Examples:
    """Packed streams: the first token is read, all others are predicted."""
    ids = set(tokenizer.convert_tokens_to_ids(list(prompts.id_tokens)))
    encoded = [tokens for tokens in tokenizer(prompts.streams["text"].to_list())["input_ids"] if len(tokens) > 1]
    weights = [[float(phase.supervise == "all" or token in ids) for token in tokens[1:]] for tokens in encoded]
    return Examples([tokens[:1] for tokens in encoded], [tokens[1:] for tokens in encoded], weights)


def alignment_examples(prompts: Prompts, tokenizer: Any, phase: AlignmentPhase) -> Examples:
    """One example a place and task; every answered token counts alike."""
    table = prompts.alignment.filter(pl.col("task").is_in(list(phase.tasks)))
    encoded = tokenizer(table["prompt"].to_list())["input_ids"]
    answers = encode_answers(tokenizer, table["answer"].to_list())
    return Examples(encoded, answers, [[1.0] * len(answer) for answer in answers])


def answer_examples(
    prompts: Prompts, semantic_ids: SemanticIds, tokenizer: Any, phase: AnswerPhase, relabel: float, seed: int
) -> Examples:
    """One example a train query; the answer as written in the prompts, the target first, or the order beside it.

    relabel: share of the examples whose IDs are permuted. seed: of what that draws.
    """
    table = train_table(prompts)
    if phase.absent_target == "skip":
        names = pl.Series("id", semantic_ids.texts)[table["target"]]
        shown = table.with_columns(names).filter(pl.col("prompt").str.contains(pl.col("id"), literal=True))
        table = shown if shown.height else table
    encoded = tokenizer(table["prompt"].to_list())["input_ids"]
    answers = encode_answers(tokenizer, table["answer"].to_list())
    first = semantic_ids.levels
    weights = [[phase.first_item_weight] * first + [1.0] * (len(answer) - first) for answer in answers]
    changes: list[Change] = []
    taught = answers
    if phase.imitate:
        ranked = encode_answers(tokenizer, table["ranked"].to_list())
        changes.append(Imitation(ranked, phase.imitate, seed))
        taught = ranked if phase.imitate == 1 else [[*a, *r] for a, r in zip(answers, ranked, strict=True)]
    if relabel:
        numbers = id_token_numbers(tokenizer, semantic_ids.tokens)
        changes.append(Relabelling.of(semantic_ids, numbers, encoded, taught, relabel, seed))
    return Examples(encoded, answers, weights, changes)


def list_examples(
    prompts: Prompts, semantic_ids: SemanticIds, tokenizer: Any, phase: ListPhase, own: Ints, seed: int
) -> Examples:
    """Each train query once an epoch: its own likeliest places with the target put among them, and what may follow it.

    own: int64 [n, k], the policy's likeliest places for the train queries. What stands before the target is read, not
    learned: at any place, given that the earlier ones were wrong, the policy learns which place is right.
    """
    table = train_table(prompts)
    encoded = tokenizer(table["prompt"].to_list())["input_ids"]
    target = table["target"].to_numpy()
    k, levels = own.shape[1], semantic_ids.levels
    tokens = np.array(tokenizer.convert_tokens_to_ids(list(semantic_ids.tokens)))[semantic_ids.token_index]
    same = np.unique(semantic_ids.codes, axis=0, return_inverse=True)[1].reshape(-1)
    all_prompts, answers, weights = [], [], []
    for epoch in range(phase.epochs):
        draw = generator(seed, "lists", str(epoch))
        places = np.where(draw.random(len(own)) < phase.first_share, 0, draw.integers(0, k, len(own)))
        for row, place in enumerate(places):
            others = own[row][same[own[row]] != same[target[row]]][: k - 1]
            place = min(int(place), len(others))
            listed = np.insert(others, place, target[row])
            answers.append([*tokens[listed].ravel().tolist(), tokenizer.eos_token_id])
            weight = np.zeros(len(listed) * levels + 1)
            weight[place * levels : (place + 1) * levels] = 1.0
            weights.append(weight.tolist())
        all_prompts.extend(encoded)
    return Examples(all_prompts, answers, weights)


def encode_answers(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Answers with the end token, without whatever a tokenizer puts before a text."""
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [[*tokens, tokenizer.eos_token_id] for tokens in encoded]
