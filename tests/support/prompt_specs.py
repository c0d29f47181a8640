"""Small prompt specs, one for each template, and prompts written with them."""

from typing import Any

from refinepoi.artifacts.prompts import Prompts
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, Memory, QuestionPrompt, Shares
from refinepoi.prompt.write import write_all

SHARES = Shares(recent=2.0, same_hour=1.0, same_last=1.0, category=0.0)
MIXED = Memory(policy="mixed", visits=6, shares=SHARES)
SPECS = {
    "compact": CompactPrompt(kind="compact", list_length=5, budget=40, memory=MIXED),
    "evidence": EvidencePrompt(
        kind="evidence", list_length=5, budget=80, memory=MIXED, candidates=8, counters=("user_count", "popularity"),
        bins=6, order="ranked", seed=0,
    ),
    "question": QuestionPrompt(
        kind="question", list_length=5, budget=205, memory=MIXED, candidates=4, counters=("user_count",), bins=4,
        order="ranked", categories=True, distances=True, chat="off", reasoning=False, seed=0,
    ),
}  # fmt: skip


def write(spec: Any, world: Any, **changes: Any) -> Prompts:
    parts = vars(world) | changes
    return write_all(
        spec, parts["trajectories"], parts["evidence"], parts["semantic_ids"], lambda items, unit: list(items)
    )


def change(spec: Any, **values: Any) -> Any:
    return type(spec).model_validate(spec.model_dump() | values)
