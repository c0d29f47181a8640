"""Leak tests that find planted leaks, figures worked by hand, and a page that trusts no text of the data."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.audit import leaks, profiles, prompts
from refinepoi.audit.figures import kilometres, oddities, targets_in_history, time_ranges
from refinepoi.audit.finding import Finding
from refinepoi.audit.leaks import split_findings, training_findings
from refinepoi.audit.page import page
from refinepoi.audit.pictures import draw
from refinepoi.audit.profiles import profile_findings
from refinepoi.audit.prompts import prompt_findings
from refinepoi.audit.stage import LeakError, audit_data, content_of
from refinepoi.core import stage as core_stage
from refinepoi.core.earth import EARTH_KM
from refinepoi.core.stage import Artifact
from refinepoi.core.store import Store
from refinepoi.dataset.stage import trajectories_of
from refinepoi.encoder import stage as encoder_stage
from refinepoi.launching.composition import check
from refinepoi.ranker.crossfit import plan

HOUR = 3600


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of training, which is asked query by query, two: what is planted here is planted in all of them."""
    monkeypatch.setattr(prompts, "ASKED_IN_TRAINING", 2)
    monkeypatch.setattr(prompts, "TRAINED", 150)


@pytest.fixture(scope="module")
def city() -> Any:
    small = ["dataset.city.users=30", "dataset.city.pois=70", "dataset.city.days=50", "quantizer=random"]
    return check([*small, "encoder.epochs=1", "goal=audit", "tracking=off"], multirun=False).jobs[0].experiment


@pytest.fixture(scope="module")
def visits(city: Any) -> Trajectories:
    return trajectories_of(city.dataset)


@pytest.fixture(scope="module")
def ids(visits: Trajectories) -> SemanticIds:
    codes = np.stack(np.divmod(np.arange(visits.pois.height), 16), 1).astype(np.int32)
    return SemanticIds(codes, ((16, 1), (16, 1)), "none")


def status(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}


def test_an_honest_city_passes(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # asked as much as a run asks
    findings = split_findings(visits) + training_findings(visits, city.features, city.encoder)
    findings += prompt_findings(visits, city.evidence, city.ranker, city.prompt, ids)
    assert len(findings) == 10 and set(status(findings).values()) == {"passed"}, findings


def with_profiles(**changes: Any) -> tuple[Any, Any]:
    """A question that tells profiles, and their spec."""
    words = ["prompt=question", "profile=template", *(f"profile.{name}={value}" for name, value in changes.items())]
    tree = check(words, multirun=False).jobs[0].experiment
    return tree.prompt, tree.profile


def test_honest_profiles_pass(city: Any, visits: Trajectories, ids: SemanticIds) -> None:
    prompt, profile = with_profiles(refresh_days=7)
    findings = profile_findings(visits, profile) + prompt_findings(
        visits, city.evidence, city.ranker, prompt, ids, profile
    )
    assert status(findings) == {
        "profiles see training only": "passed",
        "evidence is causal": "passed",
        "the target is not in its own prompt": "passed",
    }


def test_profiles_of_the_whole_period_are_said_to_know_the_future(
    city: Any, visits: Trajectories, ids: SemanticIds
) -> None:
    prompt, profile = with_profiles(refresh_days="null")
    findings = profile_findings(visits, profile) + prompt_findings(
        visits, city.evidence, city.ranker, prompt, ids, profile
    )
    assert status(findings)["profiles are older than their query"] == "not applicable"
    assert "failed" not in status(findings).values()


def test_profiles_that_look_at_test_rows_are_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt, profile = with_profiles(refresh_days="null")
    honest = profiles.write_texts

    def leaky(spec: Any, data: Trajectories, ask: Any) -> Any:
        return honest(spec, replace(data, checkins=data.checkins.with_columns(split=pl.lit(0, pl.Int8))), ask)

    monkeypatch.setattr(profiles, "write_texts", leaky)
    assert status(profile_findings(visits, profile))["profiles see training only"] == "failed"
    found = status(prompt_findings(visits, city.evidence, city.ranker, prompt, ids, profile))
    assert found["the target is not in its own prompt"] == "failed"


def test_profiles_that_look_past_a_training_query_are_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt, profile = with_profiles(refresh_days=7)
    honest = profiles.write_texts
    whole = profile.model_copy(update={"refresh_days": None})
    monkeypatch.setattr(profiles, "write_texts", lambda spec, data, ask: honest(whole, data, ask))
    assert status(profile_findings(visits, profile))["profiles see training only"] == "passed"
    found = status(prompt_findings(visits, city.evidence, city.ranker, prompt, ids, profile))
    assert found["the target is not in its own prompt"] == "failed"


def test_features_that_look_at_test_rows_are_found(
    city: Any, visits: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = leaks.build

    def leaky(spec: Any, data: Trajectories) -> Any:
        return honest(spec, replace(data, checkins=data.checkins.with_columns(split=pl.lit(0, pl.Int8))))

    monkeypatch.setattr(leaks, "build", leaky)
    assert status(training_findings(visits, city.features, city.encoder)) == {
        "features see training only": "failed",
        "the encoder sees training only": "passed",
    }


def test_an_encoder_that_looks_at_test_rows_is_found(
    city: Any, visits: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = encoder_stage.training_pairs

    def leaky(data: Trajectories, hours: float) -> Any:
        return honest(replace(data, checkins=data.checkins.with_columns(split=pl.lit(0, pl.Int8))), hours)

    monkeypatch.setattr(encoder_stage, "training_pairs", leaky)
    assert status(training_findings(visits, city.features, city.encoder))["the encoder sees training only"] == "failed"


def test_evidence_and_prompts_that_know_the_target_are_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = prompts.count

    def leaky(data: Trajectories, spec: Any) -> Any:
        evidence = honest(data, spec)
        evidence.candidates[:, 0] = data.queries["target"].to_numpy()
        return evidence

    monkeypatch.setattr(prompts, "count", leaky)
    assert set(status(prompt_findings(visits, city.evidence, city.ranker, city.prompt, ids)).values()) == {"failed"}
    monkeypatch.setattr(prompts, "count", honest)
    write = prompts.write_all

    def telling(spec: Any, data: Trajectories, *rest: Any) -> Any:
        made = write(spec, data, *rest)
        text = pl.format("{} {}", pl.col("prompt"), pl.col("target"))
        return replace(made, table=made.table.with_columns(prompt=text))

    monkeypatch.setattr(prompts, "write_all", telling)
    assert status(prompt_findings(visits, city.evidence, city.ranker, city.prompt, ids)) == {
        "evidence is causal": "passed",
        "the target is not in its own prompt": "failed",
    }


def test_a_ranker_that_saw_the_answers_is_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ranker=trees", "ranker.rounds=5", "ranker.folds=2", "ranker.refit=true", "prompt.counters=[ranker_score]"]
    experiment = check(words, multirun=False).jobs[0].experiment
    specs = city.evidence, experiment.ranker, experiment.prompt
    assert set(status(prompt_findings(visits, *specs, ids)).values()) == {"passed"}
    honest = prompts.rank

    def overfitted(spec: Any, evidence: Evidence, data: Trajectories, **rest: Any) -> Any:
        ranked, fitted = honest(spec, evidence, data, **rest)
        ranked.counter("ranker_score")[:] = ranked.candidates == data.queries["target"].to_numpy()[:, None]
        return ranked, fitted

    monkeypatch.setattr(prompts, "rank", overfitted)
    assert set(status(prompt_findings(visits, *specs, ids)).values()) == {"failed"}


def test_a_refitted_ranker_that_ranks_validation_too_is_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ranker=logit", "ranker.folds=2", "ranker.refit=true", "prompt.counters=[ranker_score]"]
    experiment = check(words, multirun=False).jobs[0].experiment

    def greedy(*settings: Any) -> Any:
        honest = plan(*settings)
        (_, validation), (both, test) = honest.rounds[-2:]
        return replace(honest, rounds=(*honest.rounds[:-2], (both, validation | test)))

    monkeypatch.setattr("refinepoi.ranker.rank.plan", greedy)
    findings = prompt_findings(visits, city.evidence, experiment.ranker, experiment.prompt, ids)
    assert status(findings)["evidence is causal"] == "failed"


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_leak_of_one_split_only_is_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    honest = prompts.count

    def leaky(data: Trajectories, spec: Any) -> Any:
        evidence, told = honest(data, spec), data.query_rows(split)
        evidence.candidates[told, 0] = data.queries["target"].to_numpy()[told]
        return evidence

    monkeypatch.setattr(prompts, "count", leaky)
    assert (
        status(prompt_findings(visits, city.evidence, city.ranker, city.prompt, ids))["evidence is causal"] == "failed"
    )


def test_a_hidden_time_that_is_told_is_found(
    city: Any, visits: Trajectories, ids: SemanticIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = city.evidence.model_copy(update={"target_time": "hidden"})
    assert set(status(prompt_findings(visits, hidden, city.ranker, city.prompt, ids)).values()) == {"passed"}
    honest = prompts.count

    def telling(data: Trajectories, spec: Any) -> Any:
        return replace(honest(data, city.evidence), facts=honest(data, spec).facts)

    monkeypatch.setattr(prompts, "count", telling)
    assert status(prompt_findings(visits, hidden, city.ranker, city.prompt, ids))["evidence is causal"] == "failed"
    monkeypatch.setattr(prompts, "count", honest)
    write = prompts.write_all

    def clock(spec: Any, data: Trajectories, *rest: Any) -> Any:
        made = write(spec, data, *rest)
        hours = data.checkins["local"].gather(data.queries["row"]) // 3600 % 24
        return replace(made, table=made.table.with_columns(prompt=pl.format("{} h{}", "prompt", hours)))

    monkeypatch.setattr(prompts, "write_all", clock)
    found = status(prompt_findings(visits, hidden, city.ranker, city.prompt, ids))
    assert found["the target is not in its own prompt"] == "failed"
    assert set(status(prompt_findings(visits, city.evidence, city.ranker, city.prompt, ids)).values()) == {"passed"}


def test_features_of_a_test_city_are_not_fitted_on(city: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"dataset.{part}.city.{key}" for part in ("train", "test") for key in ("users=50", "pois=90", "days=70")]
    made = trajectories_of(check(["dataset=pair", *words], multirun=False).jobs[0].experiment.dataset)
    findings = training_findings(made, city.features, city.encoder)
    assert set(status(findings).values()) == {"passed"} and "places of the test city altered" in findings[0].found
    honest = leaks.build
    every = lambda data: replace(data, pois=data.pois.with_columns(in_train=pl.lit(True)))  # noqa: E731
    monkeypatch.setattr(leaks, "build", lambda spec, data: honest(spec, every(data)))
    found = {finding.name: finding for finding in training_findings(made, city.features, city.encoder)}
    assert found["features see training only"].status == "failed"
    assert "other columns or scales were fitted" in found["features see training only"].found
    monkeypatch.setattr(leaks, "build", honest)
    plain = encoder_stage.untrained
    monkeypatch.setattr(leaks, "untrained", lambda spec, features, data: plain(spec, features, every(data)))
    assert status(training_findings(made, city.features, city.encoder))["the encoder sees training only"] == "failed"


def test_equal_check_ins_and_other_places_are_found(visits: Trajectories) -> None:
    rows = visits.checkins
    first = rows.with_row_index("row").filter(pl.col("split") == 1)["row"][0]
    last = rows.with_row_index("row").filter(pl.col("split") == 0)["row"][-1]
    copied = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == first).then(pl.col(c).gather(last)).otherwise(pl.col(c)).alias(c)
        for c in ("user", "poi", "utc")
    )
    queries = visits.queries.filter(pl.col("row") != first)
    assert (
        status(split_findings(replace(visits, checkins=copied, queries=queries)))["no check-in stands in two splits"]
        == "failed"
    )
    swapped = visits.pois.vstack(visits.pois[:1].with_columns(in_train=False))  # as many places, but others
    trained = swapped.with_columns(in_train=pl.int_range(pl.len()) > 0)
    assert status(split_findings(replace(visits, pois=trained)))["the catalogue is what training visited"] == "failed"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda d: d.reverse(), "splits follow one another"),
        (lambda d: pl.Series([*[2] * 5, *d.to_list()[5:]], dtype=pl.Int8), "splits follow one another"),
        (
            lambda d: pl.Series([*d.to_list()[:-1], 0], dtype=pl.Int8),
            "no training check-in after the first test target",
        ),
        (lambda d: d * 0, "each target belongs to one split"),
    ],
)
def test_overlapping_splits_are_found(
    visits: Trajectories, change: Callable[[pl.Series], pl.Series], name: str
) -> None:
    checkins = visits.checkins.with_columns(change(visits.checkins["split"]).alias("split"))
    assert status(split_findings(replace(visits, checkins=checkins)))[name] == "failed"


def test_a_split_by_user_is_judged_user_by_user() -> None:
    words = ["dataset/protocol=leave_one_out", "dataset.city.users=50", "dataset.city.pois=90"]
    made = trajectories_of(check(words, multirun=False).jobs[0].experiment.dataset)
    found = status(split_findings(made))
    assert found.pop("no training check-in after the first test target") == "not applicable"
    assert set(found.values()) == {"passed"}


def by_hand() -> Trajectories:
    """Two users, four places; user 0 goes 0 1 | 0 2 | 1, user 1 goes 3 | 3."""
    rows = [(0, 0, 0, 0, 0), (0, 1, 1, 0, 0), (1, 3, 2, 3, 0), (0, 0, 30, 1, 1), (0, 2, 31, 1, 1), (1, 3, 50, 4, 2)]
    rows.append((0, 1, 60, 2, 2))
    checkins = pl.DataFrame(
        [(u, p, h * HOUR, (h - 5) * HOUR, t, s) for u, p, h, t, s in rows], schema=CHECKINS, orient="row"
    )
    pois = pl.DataFrame(
        [
            ("a", "c", "Bar", 40.0, -74.0, True),
            ("b", "c", "Bar", 40.00123, -74.00123, True),
            ("c", "c", "unknown", 40.00123, -74.00123, True),
            ("d", "c", "Bar", -74.0001, 40.0001, True),
        ],
        schema=POIS,
        orient="row",
    )
    asked = [(0, 1), (1, 3), (1, 4), (2, 5), (2, 6)]
    queries = pl.DataFrame([(s, rows[r][0], rows[r][3], r, rows[r][1]) for s, r in asked], schema=QUERIES, orient="row")
    facts = {
        "protocol": {"dataset": "<b>x</b>", "split": "global time", "samples": "sthgcn"},
        "counts": {"steps": [{"step": "s", "checkins": 7, "users": 2, "pois": 4}], "splits": {}, "unseen": []},
        "report": {"bad": {"<script>alert(1)</script>": 1}, "left_out": {}, "duplicates": {}, "remarks": {}},
    }
    return Trajectories(checkins, pois, pl.DataFrame({"user_id": ["u", "v"]}), queries, facts)


def test_targets_in_the_history() -> None:
    found = {row["split"]: row for row in targets_in_history(by_hand())}
    assert found["train"] == {"split": "train", "samples": 1, "all": 0, "train_prefix": 0, "same_as_last": 0}
    assert found["validation"] | {"all": 0.5, "train_prefix": 0.5} == found["validation"]  # place 0 again; 2 is new
    assert found["test"] == {"split": "test", "samples": 2, "all": 1.0, "train_prefix": 1.0, "same_as_last": 0.5}


def test_time_ranges() -> None:
    assert time_ranges(by_hand())[2] == {
        "split": "test", "first": "1970-01-03 02:00", "last": "1970-01-03 12:00", "days": 0.4,
    }  # fmt: skip


def test_oddities() -> None:
    found = {row["name"]: row["count"] for row in oddities(by_hand())}
    assert found["far places"] == 1 and found["swapped coordinates"] == 1
    assert found["rounded places"] == 1 and found["shared places"] == 2 and found["no category"] == 1
    assert found["distances from UTC"] == 1 and found["equal visits"] == 0
    assert found["odd zone"] == 2  # place d: longitude 40, clock five hours behind UTC


def test_distances_are_finite_symmetric_and_short_over_the_date_line() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.stack([rng.uniform(-90, 90, 500), rng.uniform(-180, 180, 500)]) for _ in range(2))
    a[:, 0], b[:, 0] = (90, 0), (90, 135)  # one pole, two longitudes
    a[:, 1], b[:, 1] = (0, 180), (0, -180)
    a[:, 2], b[:, 2] = (10, 179.9), (10, -179.9)
    a[:, 3], b[:, 3] = (20, 30), (-20, -150)  # antipodes
    there, back = kilometres(*a, *b), kilometres(*b, *a)
    assert np.isfinite(there).all() and np.allclose(there, back)
    assert there[:2] == pytest.approx(0, abs=1e-6) and there[2] == pytest.approx(21.9, abs=0.1)
    assert there[3] == pytest.approx(np.pi * EARTH_KM) and there.max() <= np.pi * EARTH_KM + 1e-6


def test_the_page_is_whole_and_trusts_no_text() -> None:
    visits = by_hand()
    findings = [Finding("a < b", "failed", "<img src=x>"), Finding("c", "passed", "fine")]
    html = page(content_of(visits, findings), draw(visits))
    assert "<script" not in html and "<b>x</b>" not in html and "<img src=x>" not in html
    assert "&lt;script&gt;alert(1)" in html and "1 of 2 leak tests FAILED" in html
    assert not re.search(r"(src|href)='(?!data:image/png;base64,)", html), "needs no other file"
    images = re.findall(r"base64,([^']+)'", html)
    assert len(images) == 3 and all(base64.b64decode(i).startswith(b"\x89PNG") for i in images)
    good = page(content_of(visits, findings[1:]), draw(visits))
    assert "all 1 leak tests passed" in good and "FAILED" not in good


def test_the_page_is_in_order_and_escaped_once() -> None:
    visits = by_hand()
    row = {"checkins": 1, "users": 1, "pois": 1, "trajectories": 1, "samples": 1}
    visits.facts["counts"]["splits"] = {name: row for name in ("test", "train", "validation")}
    visits.facts["protocol"]["parts"] = {"a": "b"}
    html = page(content_of(visits, []), draw(visits))
    assert "&amp;#x27;" not in html and "&#x27;a&#x27;: &#x27;b&#x27;" in html
    cells = [f"<tr><td>{name}</td><td class='n'>1</td>" for name in ("train", "validation", "test")]
    assert [html.index(cell) for cell in cells] == sorted(html.index(cell) for cell in cells)


def test_remarks_do_not_contradict_themselves() -> None:
    visits = by_hand()
    night = visits.checkins.with_columns(local=pl.int_range(pl.len(), dtype=pl.Int64) * HOUR)
    for data in (visits, replace(visits, checkins=night)):
        (row,) = [row for row in oddities(data) if row["name"] == "odd night"]
        assert ("not at night" in row["meaning"]) == bool(row["count"])


def test_targets_tied_with_an_earlier_split_are_counted() -> None:
    visits = by_hand()
    found = {row["name"]: row["count"] for row in oddities(visits)}
    assert found["tied targets"] == 0
    times = visits.checkins["utc"].to_list()
    times[2:5] = [times[1]] * 3  # user 0's two validation targets in the second of a training visit; row 2 is user 1's
    tied = visits.checkins.with_columns(utc=pl.Series(times))
    found = {row["name"]: row["count"] for row in oddities(replace(visits, checkins=tied))}
    assert found["tied targets"] == 2


def test_a_failed_audit_can_be_read_and_is_never_passed_over(
    city: Any,
    visits: Trajectories,
    ids: SemanticIds,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inputs = []
    for value in (visits, ids):
        folder = tmp_path / type(value).__name__
        folder.mkdir()
        value.save(folder)
        inputs.append(Artifact(type(value).__name__, "key", folder, type(value)))
    arguments = [city.features, city.encoder, city.evidence, city.ranker, city.profile, city.prompt, *inputs]
    store = Store(tmp_path / "store", city.runtime)
    first = store.get(audit_data, arguments, "audit")
    assert first.load().content["protocol"]["dataset"] == "city"
    assert (first.path / "pictures" / "audit.html").stat().st_size > 20_000
    with caplog.at_level("INFO"):
        assert store.get(audit_data, arguments, "audit").hit
    assert "evidence is causal" in caplog.text, "a stored audit is printed, too"

    # Other code is another audit: a leak that came later is found though the data is the same.
    monkeypatch.setattr(
        leaks, "training_findings", lambda *_: [Finding("features see training only", "failed", "3 do")]
    )
    digest = core_stage.package_digest
    monkeypatch.setattr(core_stage, "package_digest", lambda path: "other" if path.name == "features" else digest(path))
    for _ in range(2):
        with pytest.raises(LeakError) as caught:
            store.get(audit_data, arguments, "audit")
        line, failed = str(caught.value).splitlines()
        page = Path(line.removeprefix("1 leak tests failed; see "))
        assert page.is_file() and ".partial" not in page.parts and failed == "  features see training only: 3 do"
