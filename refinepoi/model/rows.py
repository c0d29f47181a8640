"""Rows of the new tokens in the embedding and the head: how many there are and where they start."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.seeding import generator
from refinepoi.model.field import token_field

NOISE = {"mean": 0.1, "random": 1.0}  # of the known rows' standard deviation; .1 is enough to tell new tokens apart


def make_room(model: PreTrainedModel, tokens: int) -> None:
    """Add rows where tokens outnumber them. Some models come with spare rows; those are used before any are added."""
    if tokens > matrix(model, "input").shape[0]:
        model.resize_token_embeddings(tokens, mean_resizing=False)


def is_tied(model: PreTrainedModel) -> bool:
    return matrix(model, "input") is matrix(model, "output")


@torch.no_grad()
def start_around_mean(model: PreTrainedModel, known: int, tokens: int, noise: float, seed: int) -> None:
    """Tokens `known`..`tokens` at the mean of the known ones plus noise, in input and output embeddings."""
    for end in ends(model):
        old = matrix(model, end)[:known]
        draws = generator(seed, "model", "new rows", end).standard_normal((tokens - known, old.shape[1]))
        matrix(model, end)[known:tokens] = old.mean(0) + noise * old.std(0) * _like(draws, old)


@torch.no_grad()
def draw_on_the_map(
    model: PreTrainedModel, numbers: Sequence[int], spread: float, semantic_ids: SemanticIds, seed: int
) -> None:
    """The same for a model from scratch: mean 0 and the standard deviation of its other weights."""
    for end in ends(model):
        rows = matrix(model, end)
        field = token_field(semantic_ids, rows.shape[1], generator(seed, "model", "map", end))
        rows[list(numbers)] = spread * _like(field, rows)


@torch.no_grad()
def start_on_the_map(
    model: PreTrainedModel, known: int, numbers: Sequence[int], semantic_ids: SemanticIds, seed: int
) -> None:
    """New ID tokens with the known rows' mean and spread, neighbours on the map beside each other (`field.py`).

    numbers: tokenizer ids of `semantic_ids.tokens`, in order. Those below `known` were trained before and stay.
    """
    new = np.array(numbers) >= known
    for end in ends(model):
        old = matrix(model, end)[:known]
        field = token_field(semantic_ids, old.shape[1], generator(seed, "model", "map", end))
        matrix(model, end)[np.array(numbers)[new]] = old.mean(0) + old.std(0) * _like(field[new], old)


def ends(model: PreTrainedModel) -> tuple[str, ...]:
    return ("input",) if is_tied(model) else ("input", "output")


def matrix(model: PreTrainedModel, end: str) -> torch.Tensor:
    """[rows, width]."""
    module: Any = model.get_input_embeddings() if end == "input" else model.get_output_embeddings()
    return cast(torch.Tensor, module.weight)


def _like(values: npt.NDArray[np.float64], weights: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(weights)
