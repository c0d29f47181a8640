"""A policy's ranked list for every validation and test query, decoded greedily over the catalogue.

Where prompts ask for reasoning the model writes it first, freely, and its list follows what it wrote.

Prompts are decoded longest first, so that neighbours pad little and the batch that needs most memory comes first.
What is stored is what the model wrote: a list's tokens are turned into text and read by the one parser of answers, and
every entry is checked against the catalogue, so that the invalid rate is a measurement of the decoder.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.predictions import RANKS, REASONING, TABLE, Predictions, no_reasoning
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.errors import UserError
from refinepoi.core.seeding import generator
from refinepoi.core.spec import digest
from refinepoi.core.stage import Context
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.list_beams import beam_lists
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.reasoning import Thought, think
from refinepoi.decoding.trie import Trie
from refinepoi.evaluation.spec import DecodingSpec
from refinepoi.model.load import load
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.parse import parse_answer
from refinepoi.prompt.settle import settle
from refinepoi.ranking import rank_in_list

NAME = "model"
Ints = npt.NDArray[np.int64]


class Written(NamedTuple):
    """
    pois int64 [n, k] (-1: names no place), scores float32 [n, k], and how many lists did not read as one list.
    thoughts: what was written before each list, [n]; empty where the prompts ask for lists alone.
    """

    pois: Ints
    scores: npt.NDArray[np.float32]
    unreadable: int
    thoughts: tuple[Thought, ...] = ()


def decode_prompts(
    context: Context, spec: DecodingSpec, policy: Policy, prompts: Prompts, semantic_ids: SemanticIds
) -> Predictions:
    """Load the policy, decode all validation and test prompts."""
    check_length(spec, prompts.list_length)
    asked = prompts.table.filter(pl.col("split") != SPLITS.index("train"))
    device = context.runtime.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    language = load(policy.model)
    model: Any = language.model
    asked = settle(replace(prompts, table=asked), language.tokenizer).table
    reasoning = bool(prompts.facts.get("reasoning"))
    writer = ListWriter(spec, model.to(device), language.tokenizer, semantic_ids, reasoning)
    with context.progress(total=asked.height, unit="prompt") as bar:
        written = writer.write(asked["prompt"].to_list(), bar.update)
    return as_predictions(spec, written, asked["query"].to_numpy(), asked["target"].to_numpy(), semantic_ids)


def check_length(spec: DecodingSpec, longest: int) -> None:
    """Refuse lists beyond what the model was taught. longest: places of an answer."""
    if spec.mode != "beam" and spec.k > longest:
        raise UserError(
            f"evaluation.decoding.k: {spec.k}, but the model learns lists of {longest}: "
            f"choose at most {longest}, or a longer list in prompt"
        )


class ListWriter:
    """A model that answers prompts with lists; what no prompt changes is made once."""

    def __init__(
        self, spec: DecodingSpec, model: Any, tokenizer: Any, semantic_ids: SemanticIds, reasoning: bool = False
    ) -> None:
        """model: a Hugging Face causal LM on its device. reasoning: whether prompts ask for some before the list."""
        self.spec, self.model, self.tokenizer, self.semantic_ids = spec, model, tokenizer, semantic_ids
        self.reasoning = reasoning
        numbers = np.array(id_token_numbers(tokenizer, semantic_ids.tokens), np.int64)
        self.trie = Trie.of(numbers[semantic_ids.token_index]).to(model.device)

    def write(self, texts: list[str], wrote: Callable[[int], Any] = int) -> Written:
        """One list for each prompt text, in the order of `texts`. wrote: told how many more are done."""
        k = self.spec.k
        encoded = self.tokenizer(texts)["input_ids"] if texts else []
        pois = np.full((len(texts), k), -1, np.int64)
        scores = np.zeros((len(texts), k), np.float32)
        unreadable = 0
        thoughts: dict[int, Thought] = {}
        for rows, input_ids, mask in _batches(encoded, self.spec.batch, self.tokenizer.pad_token_id, self.model.device):
            if self.reasoning:
                found = self._think([texts[row] for row in rows], input_ids, mask)
                thoughts.update(zip(rows.tolist(), found, strict=True))
                begun = [encoded[row] + thought.tokens for row, thought in zip(rows, found, strict=True)]
                input_ids, mask = left_padded(begun, self.tokenizer.pad_token_id, self.model.device)
            if self.spec.mode == "beam":
                items, likelihood = beam_items(self.model, self.trie, input_ids, mask, k)
                pois[rows], scores[rows] = items.cpu().numpy(), likelihood.float().cpu().numpy()
            else:
                if self.spec.mode == "list_beam":
                    lists = beam_lists(self.model, self.trie, input_ids, mask, k, width=self.spec.beams)
                else:
                    lists = decode_lists(self.model, self.trie, input_ids, mask, k)
                scores[rows] = lists.logprobs.view(len(rows), k, -1).sum(-1).float().cpu().numpy()
                for row, answer in zip(rows, self.tokenizer.batch_decode(lists.tokens.cpu()), strict=True):
                    parsed = parse_answer(answer, self.semantic_ids)
                    items_read = parsed.items[:k]
                    pois[row, : len(items_read)] = items_read
                    unreadable += not (parsed.whole and len(parsed.items) == k)
            wrote(len(rows))
        return Written(pois, scores, unreadable, tuple(thoughts[row] for row in sorted(thoughts)))

    def _think(self, texts: list[str], input_ids: Tensor, mask: Tensor) -> list[Thought]:
        """Draws belong to a prompt's text, so that whoever asks it, and beside whom, is told the same."""
        spec, draws = self.spec.reasoning, None
        if spec.temperature is not None:
            drawn = (generator(spec.seed, "reasoning", digest(text)) for text in texts)
            uniform = [draw.random(spec.tokens) for draw in drawn]
            draws = torch.from_numpy(np.stack(uniform)).to(input_ids.device)
        return think(
            self.model, self.tokenizer, input_ids, mask, spec.tokens, temperature=spec.temperature, draws=draws
        )


def as_predictions(
    spec: DecodingSpec, written: Written, queries: Ints, targets: Ints, semantic_ids: SemanticIds
) -> Predictions:
    """The artifact. queries, targets: int [n], beside the rows of `written`."""
    n, k = written.pois.shape
    ranks = list_ranks(written.pois, targets, semantic_ids)
    table = pl.DataFrame(
        {
            "method": pl.repeat(NAME, n * k, eager=True),
            "query": np.repeat(queries, k).astype(np.int32),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n),
            "poi": written.pois.ravel().astype(np.int32),
            "score": written.scores.ravel(),
        },
        schema=TABLE,
    )
    facts = {
        "list_length": k,
        "ranks_over": f"its list of {k}; rank infinite where the target is not in it",
        "made": {
            "list": "greedy list over the catalogue",
            "list_beam": f"likeliest list of {spec.beams} beams over the catalogue",
            "beam": "exact top k of single IDs",
        }[spec.mode],
        "unreadable": written.unreadable,
        "shared_ids": semantic_ids.collision_rate,
    }
    names = pl.repeat(NAME, n, eager=True)
    return Predictions(
        table,
        pl.DataFrame({"method": names, "query": queries, "rank": ranks}, schema=RANKS),
        {"kept": k, "methods": {NAME: facts}},
        _reasoning(written.thoughts, queries),
    )


def _reasoning(thoughts: Sequence[Thought], queries: Ints) -> pl.DataFrame:
    if not thoughts:
        return no_reasoning()
    return pl.DataFrame(
        {
            "method": pl.repeat(NAME, len(thoughts), eager=True),
            "query": queries.astype(np.int32),
            "text": [thought.text for thought in thoughts],
            "tokens": [thought.written for thought in thoughts],
            "forced": [thought.forced for thought in thoughts],
        },
        schema=REASONING,
    )


def list_ranks(pois: Ints, targets: Ints, semantic_ids: SemanticIds) -> npt.NDArray[np.float64]:
    """
    Rank of each target in its list; infinity beyond the list's k places.

    An ID that several POIs share (collision policy `none`) stands for all of them in unknown order: it takes as many
    places as it has POIs and its target has the middle one, so that a tokenizer that tells nothing apart scores chance.
    """
    first = np.arange(len(semantic_ids.codes))
    size = np.ones(len(first), np.int64)
    for shared in semantic_ids.pois_of.values():
        first[list(shared)], size[list(shared)] = shared[0], len(shared)
    known = (pois >= 0) & (pois < len(first))
    inside = np.where(known, pois, 0)
    listed = np.where(known, first[inside], -1)
    width = np.where(known, size[inside], 1)
    rank = rank_in_list(listed, first[targets])
    found = np.isfinite(rank)
    place = np.where(found, rank, 1).astype(np.int64)[:, None] - 1
    before = np.take_along_axis(np.cumsum(width, 1) - width, place, 1)[:, 0]
    expected = before + (size[targets] + 1) / 2
    return np.where(found & (expected <= pois.shape[1]), expected, np.inf)


def _batches(encoded: list[list[int]], size: int, pad: int, device: Any) -> Iterator[tuple[Ints, Tensor, Tensor]]:
    """(rows, input_ids [b, P], attention_mask [b, P]), padded on the left, longest prompts first."""
    order = np.argsort([-len(ids) for ids in encoded], kind="stable")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        width = len(encoded[rows[0]])
        input_ids = torch.full((len(rows), width), pad, dtype=torch.long)
        mask = torch.zeros_like(input_ids)
        for line, row in enumerate(rows):
            tokens = torch.tensor(encoded[row], dtype=torch.long)
            input_ids[line, width - len(tokens) :], mask[line, width - len(tokens) :] = tokens, 1
        yield rows, input_ids.to(device), mask.to(device)
