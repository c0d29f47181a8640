"""What a user is told is what the run's own stages would say: same prompts, same lists."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from folders import thinking_folder
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.predictions import Predictions
from refinepoi.core.errors import DataError, UserError
from refinepoi.recommend.answers import answer_all, write_csv, write_text
from refinepoi.recommend.page import page
from refinepoi.recommend.recommender import Recommender, legible
from refinepoi.recommend.spec import RecommendSpec
from refinepoi.recommend.trips import read_questions

SETTINGS = [
    (),
    ("evidence.history=train_prefix",),
    ("evidence.target_time=hidden",),
    ("evidence.history=train_prefix", "evidence.target_time=hidden", "prompt=compact"),
    ("prompt=question", "profile=template", "profile.least_visits=2"),
    ("ranker=trees", "ranker.rounds=5", "prompt.counters=[user_count,ranker_score]"),
    (
        "ranker=trees", "ranker/kernels=deep_sets", "ranker.rounds=5", "ranker.folds=2", "ranker.kernels.epochs=1",
        "ranker.kernels.width=16", "prompt.counters=[kernel_score,ranker_score]", "evidence.history=train_prefix",
    ),
    ("evaluation=beam",),
]  # fmt: skip
WORDS = pytest.mark.parametrize("words", SETTINGS, ids=lambda words: " ".join(words) or "default")


@WORDS
def test_a_sample_of_the_protocol_gets_its_stored_prompt_and_list(make_run: Callable[..., Any], words: Any) -> None:
    run = make_run(*words)
    manifests = json.loads((run.folder / "manifests.json").read_text())
    stored = Predictions.load(run.store / "predict" / manifests["predictions"]["key"]).table.sort("query", "rank")
    samples = run.samples()
    assert len(samples) > 30
    for asked in samples:
        answer = run.recommender.answer([], asked.when, 10, user=asked.user, mode="as_evaluated")
        assert answer.prompt == asked.prompt
        expected = stored.filter(pl.col("query") == asked.query)
        ids = run.trajectories.pois["poi_id"][expected["poi"].to_list()].to_list()
        assert [place.poi_id for place in answer.places] == ids
        np.testing.assert_allclose(
            [place.probability for place in answer.places], np.exp(expected["score"].to_numpy()), rtol=1e-4
        )


def test_a_new_person_with_the_same_visits_gets_the_same_prompt(run: Any) -> None:
    for asked in run.samples():
        rows = asked.history[::-1]  # in any order
        answer = run.recommender.ask(rows, asked.when.text())
        assert answer.prompt == asked.prompt


def test_trips_are_told_by_the_gaps_where_nobody_names_them(run: Any) -> None:
    for asked in run.samples()[:20]:
        untold = [{"poi": row["poi"], "time": row["time"]} for row in asked.history]
        told = run.recommender.ask(untold, asked.when.text())
        context = run.recommender.ask(asked.history, asked.when.text())
        assert told.places == context.places  # the city's own trips are cut by the same gaps


def test_a_known_user_may_tell_visits_again_and_new_ones(run: Any) -> None:
    asked = run.samples()[-1]
    half = asked.history[len(asked.history) // 2 :]
    assert run.recommender.ask(half, asked.when.text(), user=asked.user).prompt == asked.prompt
    news = [(run.trajectories.pois["poi_id"][0], datetime.fromtimestamp(asked.when.utc - 60, UTC))]
    assert run.recommender.ask(news, asked.when.text(), user=asked.user).prompt != asked.prompt


def test_all_forms_of_a_history_mean_the_same(run: Any) -> None:
    asked = run.samples()[3]
    expected = run.recommender.recommend(asked.history, asked.when.text())
    tuples = [(row["poi"], row["time"], None, None, None, row["trip"]) for row in asked.history]
    aware = [{**row, "time": datetime.fromisoformat(str(row["time"]))} for row in asked.history]
    epochs = [
        {**row, "time": datetime.fromisoformat(str(row["time"])).timestamp(), "timezone": str(row["time"])[-6:]}
        for row in asked.history
    ]
    for row in epochs:  # -05:00 as minutes
        sign, hours, minutes = row["timezone"][0], row["timezone"][1:3], row["timezone"][4:]
        row["timezone"] = f"{sign}{int(hours) * 60 + int(minutes)}"
    for history in (tuples, aware, epochs, pl.DataFrame(asked.history)):
        assert run.recommender.recommend(history, datetime.fromisoformat(asked.when.text())) == expected


def test_what_is_told_of_each_place(run: Any) -> None:
    asked = run.samples()[0]
    pois = run.trajectories.pois.rows_by_key("poi_id", named=True, unique=True)
    last = pois[asked.history[-1]["poi"]]
    places = run.recommender.recommend(asked.history, asked.when.text(), k=7)
    assert [place.rank for place in places] == [1, 2, 3, 4, 5, 6, 7]
    for place in places:
        poi = pois[place.poi_id]
        assert (place.category, place.latitude, place.longitude) == (
            poi["category"], poi["latitude"], poi["longitude"],
        )  # fmt: skip
        north = np.radians(poi["latitude"] - last["latitude"])
        east = np.radians(poi["longitude"] - last["longitude"]) * np.cos(np.radians(last["latitude"]))
        assert place.km == pytest.approx(6371.0088 * float(np.hypot(north, east)), rel=1e-3, abs=1e-6)
        assert place.name is None and place.semantic_id.count("<") == 2


def test_beams_give_probabilities_of_a_whole(run: Any) -> None:
    asked = run.samples()[0]
    everything = run.recommender.recommend(asked.history, asked.when.text(), len(run.trajectories.pois))
    chances = [place.probability for place in everything]
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1.0, abs=1e-4)
    few = run.recommender.recommend(asked.history, asked.when.text(), 3)
    assert [place.poi_id for place in few] == [place.poi_id for place in everything[:3]]


def test_somebody_without_a_past_is_answered(run: Any) -> None:
    places = run.recommender.recommend([], "2012-06-01T12:00:00-04:00", k=4)
    assert len({place.poi_id for place in places}) == 4 and all(place.km is None for place in places)


def test_the_hour_asked_for_matters(run: Any) -> None:
    asked = run.samples()[0]
    noon = datetime.fromisoformat(asked.when.text())
    night = run.recommender.ask(asked.history, noon + timedelta(hours=9))
    assert night.prompt != asked.prompt


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"k": 0}, "k: 0; choose from 1 to"),
        ({"k": 11, "mode": "list"}, "evaluation.decoding.k: 11, but the model learns lists of 10"),
        ({"mode": "best"}, "mode: 'best'; choose beam, list or as_evaluated"),
        ({"user": "nobody"}, "user 'nobody' is not in the run's data"),
        ({"when": "2012-06-01T12:00:00"}, "tells no zone"),
        ({"when": "noon"}, "time 'noon' cannot be read"),
    ],
)
def test_questions_that_cannot_be_answered(run: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run.recommender.recommend(**{"history": [], "when": "2012-06-01T12:00:00-04:00"} | how)


REASONED = "Gym first, \u202ethen home."
THINKS = ("prompt=question", "prompt.reasoning=true", "model=qwen3_0_6b", "goal=predictions")


def test_the_reasoning_is_told_where_the_model_writes_any(make_run: Callable[..., Any], tmp_path: Path) -> None:
    run = make_run(*THINKS, f"model.path={thinking_folder(tmp_path / 'base', REASONED)}")
    stored = Predictions.load(
        run.store / "predict" / json.loads((run.folder / "manifests.json").read_text())["predictions"]["key"]
    )
    assert set(stored.reasoning["text"]) == {REASONED} and not stored.reasoning["forced"].any()
    asked = run.samples()[0]
    for mode in ("beam", "list"):
        answer = run.recommender.answer([], asked.when, 3, user=asked.user, mode=mode)
        assert answer.reasoning == "Gym first, then home."  # without the mark that turns the writing round
    places = [place.poi_id for place in run.recommender.answer([], asked.when, 10, user=asked.user, mode="list").places]
    expected = stored.table.filter(pl.col("query") == asked.query).sort("rank")["poi"].to_list()
    assert places == run.trajectories.pois["poi_id"][expected].to_list()
    (tmp_path / "trips.csv").write_text(f"user,poi,time\nann,{places[0]},2024-03-01T12:20-05:00\n")
    spec = TypeAdapter(RecommendSpec).validate_python(
        option("recommend", "default") | {"input": str(tmp_path / "trips.csv")}
    )
    content = answer_all(spec, run.recommender, read_questions(spec, run.recommender.catalogue))
    write_csv(tmp_path / "told.csv", content)
    write_text(tmp_path / "told.txt", content)
    assert (tmp_path / "told.csv").read_text().count("Gym first, then home.") == 10
    assert "\nreasoning: Gym first, then home.\n" in (tmp_path / "told.txt").read_text()
    assert "Gym first, then home." in page(content, run.recommender.catalogue)


def test_what_a_model_writes_is_made_legible() -> None:
    assert legible("  one\x00 \t two\r\nthree\n\n\n\nfour\u202e\x1b[31m ") == "one two\nthree\n\nfour [31m"


def test_nothing_is_told_where_nothing_is_asked_for(run: Any) -> None:
    asked = run.samples()[0]
    assert run.recommender.answer([], asked.when, 3, user=asked.user).reasoning is None


def test_every_bad_row_is_named_at_once(run: Any) -> None:
    pois = run.trajectories.pois
    here = {"latitude": pois["latitude"][0], "longitude": pois["longitude"][0]}
    good = pois["poi_id"][0]
    rows = [
        {"poi": good, "time": "2012-06-01T08:00:00-04:00"},
        {"poi": "nowhere", "time": "2012-06-01T08:00:00-04:00"},
        {"poi": "new", "time": "2012-06-01T08:10:00-04:00", **here},  # taken for the nearest
        {"poi": good, "time": "yesterday"},
        {"poi": good, "time": "2012-06-01T12:00:00-04:00"},
        {"poi": "far", "time": "2012-06-01T08:00:00-04:00", "latitude": 0.0, "longitude": 0.0},
        {"poi": good},
        {"poi": good, "time": "2012-06-01T08:00:00", "timezone": "Mars/Olympus"},
    ]
    with pytest.raises(DataError) as refused:
        run.recommender.recommend(rows, "2012-06-01T12:00:00-04:00")
    lines = str(refused.value).splitlines()
    assert lines[0] == "6 of 8 visits cannot be used"
    for line, (number, said) in zip(
        lines[1:],
        [
            (2, "place 'nowhere' is not in the catalogue; give its latitude"),
            (4, "time 'yesterday' cannot be read"),
            (5, "is not earlier than"),
            (6, "km away"),
            (7, "has no time"),
            (8, "time zone 'Mars/Olympus' is unknown"),
        ],
        strict=True,
    ):
        assert line.strip().startswith(f"visit {number}: ") and said in line
    matched = run.recommender.ask([rows[0], rows[2]], "2012-06-01T12:00:00-04:00").visits
    assert [visit.found for visit in matched] == [(0, 0.0), (0, 0.0)]


def test_folders_that_cannot_answer_are_refused(run: Any, make_run: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        Recommender.load(tmp_path)
    with pytest.raises(UserError, match=r"is not in .*; give the store"):
        Recommender.load(run.folder, store=tmp_path)
    with pytest.raises(UserError, match="made no"):
        Recommender.load(make_run("goal=trajectories").folder)
    copy = tmp_path / "copy"  # as a version wrote it that did not know one of the columns
    shutil.copytree(run.store, copy)
    for table in copy.glob("write_prompts/*/table.parquet"):
        pl.read_parquet(table).drop("ranked").write_parquet(table)
    with pytest.raises(UserError, match=r"run: made by another version.*prompts: columns .*; make it again"):
        Recommender.load(run.folder, store=copy)


def test_the_package_stays_light() -> None:
    code = (
        "import sys, refinepoi\n"
        "assert not {'torch', 'polars', 'numpy'} & set(sys.modules)\n"
        "from refinepoi import Recommender\n"
        "assert Recommender.__module__ == 'refinepoi.recommend.recommender' and 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
