"""What each term pays the warm start, in figures: distributions, signal within groups, and what gaming would earn.

GRPO learns from differences within a group, so a term's spread there counts and not its mean: a term that is constant
changes nothing, whatever its weight.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.prompt.parse import parse_answer, write_answer
from refinepoi.reward.answers import Answers
from refinepoi.reward.combine import Rewards

Values = npt.NDArray[np.float64]
TOTAL = "weighted sum"
REFERENCE = "the target first, then popular places"
EQUAL = 1e-6  # rewards that differ by less are the same
BINS = 20
SAME = 0.95  # correlation from which two terms say the same


def earned(rewards: Rewards, texts: Sequence[str], target: npt.NDArray[np.int64]) -> dict[str, Values]:
    """Every term, also of weight 0, and the weighted sum, of answers to targets int64 [n]: name -> float64 [n]."""
    answers = Answers.read(texts, rewards.semantic_ids)
    values = {name: rewards.term(name, answers, target) for name in rewards.names}
    return values | {TOTAL: rewards.total(answers, target)}


def sampled_figures(values: Mapping[str, Values], group: int, weights: Mapping[str, float]) -> dict[str, Any]:
    """Of samples in groups of `group`: figures of each term, and how the terms go together."""
    terms: list[dict[str, Any]] = [
        {"term": name, "weight": weights.get(name, 1.0 if name == TOTAL else 0.0)} | _figures(column, group)
        for name, column in values.items()
    ]
    signal = sum(row["weight"] * row["within"] for row in terms if row["term"] != TOTAL) or 1.0
    for row in terms:
        row["signal"] = 1.0 if row["term"] == TOTAL else round(row["weight"] * row["within"] / signal, 4)
    return {"terms": terms, "correlation": correlation([values[name] for name in values])}


def _figures(column: Values, group: int) -> dict[str, Any]:
    groups = column.reshape(-1, group)
    counts, edges = np.histogram(column, BINS, (0.0, max(1.0, float(column.max()))))
    return {
        "mean": round(float(column.mean()), 4),
        "spread": round(float(column.std()), 4),
        "within": round(float(groups.std(1).mean()), 4),
        "zero_variance": round(float((np.ptp(groups, axis=1) < EQUAL).mean()), 4),
        "quantiles": [round(float(q), 4) for q in np.quantile(column, (0.05, 0.5, 0.95))],
        "counts": counts.tolist(),
        "edges": [round(float(edge), 4) for edge in edges],
    }


def correlation(columns: Sequence[Values]) -> list[list[float | None]]:
    """Pearson's, None where a column is constant."""
    table = np.stack(columns)
    varies = np.ptp(table, axis=1) > EQUAL
    result: list[list[float | None]] = [[None] * len(columns) for _ in columns]
    kept = np.flatnonzero(varies)
    if kept.size:
        among = np.atleast_2d(np.corrcoef(table[kept]))
        for a, row in zip(kept, among, strict=True):
            for b, value in zip(kept, row, strict=True):
                result[a][b] = round(float(value), 4)
    return result


def degenerate_answers(
    prompts: Sequence[str],
    target: npt.NDArray[np.int64],
    rewards: Rewards,
    semantic_ids: SemanticIds,
    draw: np.random.Generator,
) -> dict[str, list[str]]:
    """Answers that need no understanding, one for each prompt, by what they are; and `REFERENCE`, the best there is."""
    places, k, count = np.arange(len(rewards.places.visits)), rewards.k, len(prompts)
    popular = np.argsort(-rewards.places.visits, kind="stable")

    def listed(pois: Iterable[int]) -> str:
        return write_answer(list(dict.fromkeys(int(rewards.first_bearer[poi]) for poi in pois))[:k], semantic_ids)

    named = [[item for item in parse_answer(prompt, semantic_ids).items if item >= 0] for prompt in prompts]
    return {
        "the most popular places, always": [listed(popular)] * count,
        "the rarest places, always": [listed(popular[::-1])] * count,
        "the prompt's places, copied in order": [listed(pois) for pois in named],
        "random places": [listed(draw.permutation(places)) for _ in prompts],
        "the most popular place, k times": [write_answer([int(popular[0])] * k, semantic_ids)] * count,
        "nothing": [""] * count,
        "no list": ["a place nearby"] * count,
        REFERENCE: [listed([t, *popular]) for t in target],
    }


def hints(content: Mapping[str, Any]) -> list[str]:
    """What the figures say about the settings."""
    found = []
    for sampler, figures in content["samplers"].items():
        rows = {row["term"]: row for row in figures["terms"]}
        for name, row in rows.items():
            if name != TOTAL and row["weight"] and row["zero_variance"] == 1.0:
                found.append(f"{name} is constant under the {sampler} sampler: its weight changes nothing")
        total = rows[TOTAL]
        if total["zero_variance"] > 0.5:
            found.append(
                f"{total['zero_variance']:.0%} of groups of the {sampler} sampler teach nothing, since their answers "
                "all earn the same: raise grpo.num_generations or grpo.temperature, or weigh soft or distance"
            )
        for answer in content["answers"]:
            if answer["answer"] != REFERENCE and answer[TOTAL] > total["mean"]:
                found.append(
                    f"'{answer['answer']}' earns {answer[TOTAL]:.3f}, more than the {sampler} samples' "
                    f"{total['mean']:.3f}: training may find just that; see that validation MRR rises with the reward"
                )
        names = list(rows)
        for a, one in enumerate(names[:-1]):
            for b, other in enumerate(names[:a]):
                r = figures["correlation"][a][b]
                if r is not None and r > SAME and rows[one]["weight"] and rows[other]["weight"]:
                    found.append(f"{other} and {one} say nearly the same (r = {r:.2f}, {sampler}): one weight would do")
    return found
