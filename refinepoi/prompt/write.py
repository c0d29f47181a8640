"""All prompts of a run: picks the template, writes every query, and counts what was shown and what was dropped."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.files import require
from refinepoi.artifacts.history import History
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import LAYOUT, STREAMS, TABLE, Prompts, no_alignment
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.prompt.alignment import alignment_pairs
from refinepoi.prompt.bins import Edges
from refinepoi.prompt.candidates import fit_bins
from refinepoi.prompt.compact import CompactTemplate
from refinepoi.prompt.evidence import EvidenceTemplate
from refinepoi.prompt.lists import answer_lists
from refinepoi.prompt.parse import write_answer
from refinepoi.prompt.pieces import IntArray, words_of
from refinepoi.prompt.question import QuestionTemplate
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, QuestionPrompt
from refinepoi.prompt.template import Template, Written

AnyPrompt = CompactPrompt | EvidencePrompt | QuestionPrompt


def write_all(
    spec: AnyPrompt,
    trajectories: Trajectories,
    evidence: Evidence,
    semantic_ids: SemanticIds,
    progress: Callable[..., Iterable[int]],
    profiles: Profiles | None = None,
) -> Prompts:
    """The artifact. Nothing at or after a query's target enters its prompt; the answer is built apart.

    profiles: of the users, told by `question` only.
    """
    _check_match(trajectories, evidence, semantic_ids)
    history = History.of(trajectories, evidence)
    edges = {} if isinstance(spec, CompactPrompt) else fit_bins(spec, evidence, trajectories.query_rows("train"))
    template = choose(spec, history, trajectories, evidence, semantic_ids, edges, profiles)
    written = [template.write(query) for query in progress(range(trajectories.queries.height), unit="prompt")]
    targets = trajectories.queries["target"].to_numpy().astype(np.int64)
    others = evidence.candidates, history, semantic_ids, spec.list_length
    answers, ranked = answer_lists(targets, *others), answer_lists(None, *others)
    table = pl.DataFrame(
        {
            "query": np.arange(len(written), dtype=np.int32),
            "split": trajectories.queries["split"],
            "prompt": [one.text for one in written],
            "answer": [write_answer(row, semantic_ids) for row in answers.tolist()],
            "ranked": [write_answer(row, semantic_ids) for row in ranked.tolist()],
            "target": trajectories.queries["target"],
        },
        schema=TABLE,
    )
    streams = list(template.streams()) if isinstance(template, CompactTemplate) else []
    facts: dict[str, Any] = {
        "template": spec.kind,
        "memory": spec.memory.model_dump(mode="json"),
        "budget": spec.budget,
        "history": evidence.facts["history"],
        "target_time": evidence.facts["target_time"],
        "reasoning": isinstance(spec, QuestionPrompt) and spec.reasoning,
        "chat": spec.chat if isinstance(spec, QuestionPrompt) else "off",
        "longest_answer": spec.list_length * semantic_ids.levels,
        "streams": len(streams),
        "shown": _report(written, trajectories.queries["split"].to_numpy()),
    }
    if isinstance(template, EvidenceTemplate | QuestionTemplate):
        facts["counters"] = template.shown.facts
        facts["order"] = spec.order  # type: ignore[union-attr]
        facts["covered"] = _coverage(template.shown.pois, trajectories)
    told = isinstance(template, QuestionTemplate)
    alignment = alignment_pairs(trajectories.pois, semantic_ids) if told else no_alignment()
    texts = alignment["prompt"].to_list() + alignment["answer"].to_list()
    return Prompts(
        table=table,
        streams=pl.DataFrame({"text": streams}, schema=STREAMS),
        words=tuple(sorted(template.pieces.words() | {word for text in texts for word in words_of(text)})),
        id_tokens=semantic_ids.tokens,
        list_length=spec.list_length,
        facts=facts,
        layout=_layout(written),
        alignment=alignment,
        profiles=(profiles if told and profiles else Profiles.none()).table,
    )


def _layout(written: list[Written]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "query": np.arange(len(written), dtype=np.int32),
            "system": [one.system for one in written],
            "droppable": [list(one.droppable) for one in written],
            "visits": [one.visits for one in written],
            "candidates": [one.candidates for one in written],
            "dropped_visits": [one.dropped_visits for one in written],
            "dropped_candidates": [one.dropped_candidates for one in written],
        },
        schema=LAYOUT,
    )


def _check_match(trajectories: Trajectories, evidence: Evidence, semantic_ids: SemanticIds) -> None:
    """Inputs made from different data would give prompts about other people's places."""
    queries, pois = trajectories.queries.height, trajectories.pois.height
    require(len(evidence.candidates) == queries, f"evidence of {len(evidence.candidates)} queries, not {queries}")
    require(len(semantic_ids.codes) == pois, f"semantic IDs of {len(semantic_ids.codes)} POIs, not {pois}")


def choose(
    spec: AnyPrompt,
    history: History,
    trajectories: Trajectories,
    evidence: Evidence,
    semantic_ids: SemanticIds,
    edges: Edges,
    profiles: Profiles | None = None,
) -> Template:
    """The template a spec names."""
    ids = semantic_ids.texts
    if isinstance(spec, CompactPrompt):
        return CompactTemplate(spec, history, ids)
    if isinstance(spec, EvidencePrompt):
        return EvidenceTemplate(spec, history, evidence, edges, ids)
    return QuestionTemplate(spec, history, evidence, edges, ids, trajectories.pois, profiles or Profiles.none())


def _report(written: list[Written], splits: np.ndarray) -> dict[str, dict[str, float]]:
    """By split: prompts, mean and greatest length, mean of what is shown, and what the budget took away."""
    names = ("tokens", "visible", "visits", "candidates", "dropped_visits", "dropped_candidates")
    counts = np.array([[getattr(one, name) for name in names] for one in written], np.int64).reshape(-1, len(names))
    report: dict[str, dict[str, float]] = {}
    for number, split in enumerate(SPLITS):
        mine = counts[splits == number]
        if len(mine) == 0:
            continue
        report[split] = {
            "prompts": len(mine),
            "tokens_mean": round(float(mine[:, 0].mean()), 2),
            "tokens_max": int(mine[:, 0].max()),
            "visible_mean": round(float(mine[:, 1].mean()), 2),  # visits the memory could choose from
            "visits_mean": round(float(mine[:, 2].mean()), 2),
            "candidates_mean": round(float(mine[:, 3].mean()), 2),
            "dropped_visits": int(mine[:, 4].sum()),  # chosen by the memory, taken away by the budget
            "dropped_candidates": int(mine[:, 5].sum()),
            "prompts_shortened": int((mine[:, 4:] > 0).any(1).sum()),
        }
    return report


def _coverage(shown: IntArray, trajectories: Trajectories) -> dict[str, float]:
    """By split: share of queries whose target is among the shown candidates."""
    there = (shown == trajectories.queries["target"].to_numpy()[:, None]).any(1)
    return {
        split: round(float(there[rows].mean()), 4) for split in SPLITS if len(rows := trajectories.query_rows(split))
    }
