"""The exact words of each template, worked by hand on one user."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.profiles import TABLE as PROFILES
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.prompt.distance import Distances, bins
from refinepoi.prompt.pieces import Pieces
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, Memory, QuestionPrompt, Shares
from refinepoi.prompt.timewords import gap_bin, weekday
from refinepoi.prompt.write import write_all

HOUR, DAY = 3600, 86400
MONDAY = 4 * DAY  # 1970-01-05, local = utc here
# Monday 08:00 place 0; then a trip on Tuesday: 12:10 place 1, 12:20 place 2, and at 19:30 the target, place 0
VISITS = [(MONDAY + 8 * HOUR, 0, 0), (MONDAY + DAY + 12 * HOUR + 600, 1, 1), (MONDAY + DAY + 12 * HOUR + 1200, 2, 1),
          (MONDAY + DAY + 19 * HOUR + 1800, 0, 1)]  # fmt: skip
SHARES = Shares(recent=1.0, same_hour=0.0, same_last=0.0, category=0.0)
RECENT = Memory(policy="recent", visits=10, shares=SHARES)


def write(spec: Any, target_time: str = "known", profiles: Profiles | None = None) -> Prompts:
    utc, poi, trip = (list(column) for column in zip(*VISITS, strict=True))
    checkins = pl.DataFrame(
        {"user": [0] * 4, "poi": poi, "utc": utc, "local": utc, "trajectory": trip, "split": [0] * 4}, schema=CHECKINS
    )
    categories = ["Bar", "<B_0,0> Shop\n", "Café"]
    pois = pl.DataFrame(
        {"poi_id": ["x", "y", "z"], "category_id": ["1", "2", "3"], "category": categories,
         "latitude": [40.0, 40.01, 41.0], "longitude": [-74.0] * 3, "in_train": [True] * 3}, schema=POIS,
    )  # fmt: skip
    queries = pl.DataFrame({"split": [0], "user": [0], "trajectory": [1], "row": [3], "target": [0]}, schema=QUERIES)
    users = pl.DataFrame({"user_id": ["u"]})
    counters = np.array([[[1, 0], [2, 5], [0, 0]]], np.float32)
    evidence = Evidence(
        np.array([[2, 1, -1]], np.int32), counters, ("visits", "near"), np.zeros((1, 0), np.float32), (),
        {"history": "all", "target_time": target_time},
    )  # fmt: skip
    ids = SemanticIds(np.array([[0, 3], [1, 2], [2, 1]], np.int32), ((2, 2), (2, 2)), "none")
    trajectories = Trajectories(checkins, pois, users, queries, {})
    return write_all(spec, trajectories, evidence, ids, lambda items, unit: list(items), profiles)


EVIDENCE = EvidencePrompt(
    kind="evidence", list_length=3, budget=99, memory=RECENT, candidates=3, counters=("visits", "near"), bins=4,
    order="ranked", seed=0,
)  # fmt: skip
COMPACT = CompactPrompt(kind="compact", list_length=3, budget=99, memory=RECENT)
QUESTION = QuestionPrompt(
    kind="question", list_length=3, budget=200, memory=RECENT, candidates=3, counters=("visits",), bins=4,
    order="ranked", categories=True, distances=False, chat="off", reasoning=False, seed=0,
)  # fmt: skip


def test_evidence() -> None:
    prompts = write(EVIDENCE)
    assert prompts.table["prompt"].item() == (
        "d1 h19 g5 "
        "<A_0,0><B_1,1> d0 h8 <A_0,1><B_1,0> d1 h12 <A_1,0><B_0,1> d1 h12 "
        "list a1 b0 <A_1,0><B_0,1> a2 b1 <A_0,1><B_1,0> answer"
    )
    assert prompts.table["answer"].item() == "<A_0,0><B_1,1><A_1,0><B_0,1><A_0,1><B_1,0>"
    assert prompts.table["ranked"].item() == "<A_1,0><B_0,1><A_0,1><B_1,0><A_0,0><B_1,1>"  # candidates, then popular


def test_evidence_with_a_hidden_time() -> None:
    assert write(EVIDENCE, "hidden").table["prompt"].item().startswith("d? h? g? <A_0,0><B_1,1> d0 h8 ")


def test_evidence_drops_the_oldest_visit_then_the_last_candidate() -> None:
    full = 5 + 3 * 4 + 2 * 4
    exact = write(EVIDENCE.model_copy(update={"budget": full}))
    assert exact.table["prompt"].item() == write(EVIDENCE).table["prompt"].item()
    short = write(EVIDENCE.model_copy(update={"budget": full - 1}))
    assert short.table["prompt"].item().startswith("d1 h19 g5 <A_0,1><B_1,0> d1 h12 <A_1,0>")
    assert short.facts["shown"]["train"]["dropped_visits"] == 1
    shorter = write(EVIDENCE.model_copy(update={"budget": 5 + 4 + 3}))
    assert shorter.table["prompt"].item() == "d1 h19 g5 list a1 b0 <A_1,0><B_0,1> answer"
    assert shorter.facts["shown"]["train"]["dropped_candidates"] == 1
    assert shorter.facts["shown"]["train"]["dropped_visits"] == 3


def test_compact() -> None:
    prompts = write(COMPACT)
    stream = "start d0 h8 g? <A_0,0><B_1,1> d1 h12 g8 <A_0,1><B_1,0> d1 h12 g0 <A_1,0><B_0,1> d1 h19 g5"
    assert prompts.table["prompt"].item() == stream
    assert prompts.streams["text"].to_list() == [stream + " <A_0,0><B_1,1>"]


def test_compact_with_a_hidden_time() -> None:
    prompts = write(COMPACT, "hidden")
    stream = "start <A_0,0><B_1,1> d0 h8 g? <A_0,1><B_1,0> d1 h12 g8 <A_1,0><B_0,1> d1 h12 g0"
    assert prompts.table["prompt"].item() == stream
    assert prompts.streams["text"].to_list() == [stream + " <A_0,0><B_1,1> d1 h19 g5"]


def test_compact_streams_are_cut_to_the_budget_and_hold_every_visit_once() -> None:
    texts = write(COMPACT.model_copy(update={"budget": 11})).streams["text"].to_list()
    assert texts == [
        "start d0 h8 g? <A_0,0><B_1,1> d1 h12 g8 <A_0,1><B_1,0>",
        "start d1 h12 g0 <A_1,0><B_0,1> d1 h19 g5 <A_0,0><B_1,1>",
    ]


def test_question() -> None:
    prompts = write(QUESTION)
    assert prompts.table["prompt"].item().splitlines()[1:] == [
        "Visits of earlier trips:",
        "Monday 08:00 <A_0,0><B_1,1> Bar",
        "Visits of this trip:",
        "Tuesday 12:10 <A_0,1><B_1,0> (B_0,0) Shop",
        "Tuesday 12:20 <A_1,0><B_0,1> Café",
        "Places that may be next:",
        "<A_1,0><B_0,1> Café - visits below 2",
        "<A_0,1><B_1,0> (B_0,0) Shop - visits 2 or more",
        "Now it is Tuesday 19:30 - 4 to 8 hours after the last visit",
        "List the 3 most likely next places, best first, as IDs and nothing else.",
        "Answer:",
    ]


def test_a_profile_stands_in_the_system_message_and_is_dropped_last() -> None:
    moments = [MONDAY, VISITS[-1][0], VISITS[-1][0] + 1]  # the last one is made after the target
    texts = ["Very <b>early</b>.", "Likes\nbars [INST] <A_0,0>.", "Is at place 0."]
    profiles = Profiles(pl.DataFrame({"user": [0] * 3, "since": moments, "text": texts}, PROFILES), {})
    prompts = write(QUESTION, profiles=profiles)
    text, layout = prompts.table["prompt"].item(), prompts.layout.row(0, named=True)
    head = text.splitlines()[:3]
    assert head[1:] == ["About this person: Likes bars (INST) (A_0,0).", "Visits of earlier trips:"]
    assert text[: layout["system"]] == f"{head[0]}\n{head[1]}\n"
    spans = list(zip(layout["droppable"][::2], layout["droppable"][1::2], strict=True))
    assert [text[begin:end] for begin, end in spans] == [
        "Monday 08:00 <A_0,0><B_1,1> Bar\n",
        "Tuesday 12:10 <A_0,1><B_1,0> (B_0,0) Shop\n",
        "Tuesday 12:20 <A_1,0><B_0,1> Café\n",
        "<A_0,1><B_1,0> (B_0,0) Shop - visits 2 or more\n",
        "<A_1,0><B_0,1> Café - visits below 2\n",
        "About this person: Likes bars (INST) (A_0,0).\n",
    ]
    assert {"(INST)", "(A_0,0)."} <= set(prompts.words)
    for other in (EVIDENCE, COMPACT):
        assert write(other, profiles=profiles).table.equals(write(other).table)


def test_question_without_candidates_or_time_but_with_reasoning() -> None:
    spec = QUESTION.model_copy(update={"candidates": 0, "reasoning": True})
    lines = write(spec, "hidden").table["prompt"].item().splitlines()
    assert lines[-3] == "Tuesday 12:20 <A_1,0><B_0,1> Café"
    assert lines[-2].startswith("First reason between <think> and </think>")


def test_question_with_distances_instead_of_categories() -> None:
    """One degree of latitude is 111.2 km; the user is at place 2."""
    lines = write(QUESTION.model_copy(update={"categories": False, "distances": True})).table["prompt"].item()
    assert lines.splitlines()[2:9] == [
        "Monday 08:00 <A_0,0><B_1,1> 100 km or more away",
        "Visits of this trip:",
        "Tuesday 12:10 <A_0,1><B_1,0> 100 km or more away",
        "Tuesday 12:20 <A_1,0><B_0,1> 0.0 km away",
        "Places that may be next:",
        "<A_1,0><B_0,1> 0.0 km away - visits below 2",
        "<A_0,1><B_1,0> 100 km or more away - visits 2 or more",
    ]


def test_distances_in_words() -> None:
    pieces = Pieces()
    words = Distances(pieces, np.array([0.0, 0.01, 0.089]), np.array([0.0, 0.0, 0.0]))
    assert bins(np.array([0.0, 0.04, 0.06, 9.94, 9.96, 10.4, 98.7, 99.6, 5000])).tolist() == [
        0, 0, 1, 99, 100, 100, 189, 190, 190,
    ]  # fmt: skip
    texts = pieces.table[0][words.first : words.first + 191]
    assert [texts[n] for n in (0, 1, 99, 100, 189, 190)] == [
        "0.0 km away", "0.1 km away", "9.9 km away", "10 km away", "99 km away", "100 km or more away",
    ]  # fmt: skip
    assert pieces.table[0][words.of(0, np.array([0, 1, 2]))].tolist() == ["0.0 km away", "1.1 km away", "9.9 km away"]
    assert pieces.table[0][words.of(-1, np.array([1]))].tolist() == ["distance unknown"]


def test_weekdays_and_gaps() -> None:
    assert weekday(np.array([0, MONDAY - 1, MONDAY, MONDAY + 7 * DAY])).tolist() == [3, 6, 0, 0]
    minutes = np.array([0, 14, 15, 59, 60, 1439, 1440, 23039, 23040, 10**6])
    assert gap_bin(minutes * 60).tolist() == [0, 0, 1, 2, 3, 7, 8, 11, 12, 12]


@pytest.mark.parametrize("k", [3, 4])
def test_lists_are_filled_with_popular_places_and_no_longer_than_the_catalogue(k: int) -> None:
    from refinepoi.core.errors import UserError

    spec = EVIDENCE.model_copy(update={"list_length": k})
    if k == 4:
        with pytest.raises(UserError, match=r"prompt\.list_length: 4, but the catalogue has 3"):
            write(spec)
    else:
        assert len(write(spec).table["answer"].item()) == len("<A_0,0><B_1,1>") * 3
