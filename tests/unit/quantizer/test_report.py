"""The whole report: every kind, its peers, the places held out, the gate, the findings and the table."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.quantizer.browser import _facts
from refinepoi.quantizer.collisions import resolve
from refinepoi.quantizer.fit import fit
from refinepoi.quantizer.gate import findings_of, stop_if_asked, warnings_of
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quality_table import SHORT, quality_text, table
from refinepoi.quantizer.report import KMEANS_ITERATIONS, RQVAE, held_out, make_report, peers_of
from refinepoi.quantizer.spec import QualitySpec, QuantizerSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
QUALITY = {"gate": "warn", "min_perplexity": 0.1, "max_collisions": 0.9, "held_out": 0.2, "beside": "fast"}
SMALL = {
    "som": {"epochs": 4}, "nested": {"epochs": 4}, "minisom": {"epochs": 3}, "kmeans": {"iterations": 5},
    "rqvae": {"epochs": 10, "hidden": [8], "latent": 4, "batch_size": 32}, "opq": {"rotations": 2, "iterations": 5},
    "random": {}, "geographic": {}, "category": {"epochs": 4, "iterations": 5},
}  # fmt: skip


def places(rows=150, in_train=150, seed=0):
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 6, rows)
    vectors = 2 * draw.standard_normal((6, 5))[kind] + 0.5 * draw.standard_normal((rows, 5))
    return Places(
        vectors.astype(np.float32), 40 + 0.1 * draw.random(rows), -74 + 0.1 * draw.random(rows),
        np.array([f"kind {k}" for k in kind]), np.arange(rows) < in_train,
    )  # fmt: skip


def spec(kind, quality=None, **changes):
    values = option("quantizer", kind) | {"seed": 0, "levels": ["4x4", "3x4"], "quality": QUALITY | (quality or {})}
    values |= SMALL[kind] | changes
    return TypeAdapter(QuantizerSpec).validate_python(
        {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    )


def report_of(those, made):
    return report_and_codes(those, made)[0]


def report_and_codes(those, made):
    quantizer = fit(made, those)
    first = quantizer.encode(those)
    resolved = resolve(made.collisions, first, quantizer.grids, quantizer.space(those))
    return make_report(made, those, quantizer, first, resolved), resolved


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_every_kind_is_measured_whole(kind):
    report, resolved = report_and_codes(places(), spec(kind))
    assert report["quantizer"] == kind
    assert set(report["beside"]) == {"random", "residual_kmeans"} - {{"kmeans": "residual_kmeans"}.get(kind, kind)}
    for figures in (report, *report["beside"].values()):
        assert [level["grid"] for level in figures["levels"]] == ["4x4", "3x4"]
        assert len(figures["prefixes"]) == 2
        assert 0 < figures["levels"][0]["trustworthiness"] <= 1
        assert 0 < figures["levels"][0]["neighbourhood_preservation"] <= 1
        assert 0 <= figures["ids"]["collision_rate_before"] <= 1
        assert figures["prefixes"][0]["nicc"] > 0
        assert figures["held_out"]["places"] == 30
    random = report if kind == "random" else report["beside"]["random"]
    assert random["levels"][0]["topographic_error"] is None
    if kind in ("random", "geographic", "category"):  # their neighbours are neighbours by construction
        assert report["levels"][0]["topographic_error"] is None
    else:
        assert report["levels"][0]["topographic_error"] is not None
    facts = dict(_facts(SemanticIds(resolved.codes, resolved.grids, "nearest_free", report)))
    assert facts["NICC, level 1"] == f"{report['prefixes'][0]['nicc']:.1f} × chance"
    assert facts["NICC, whole ID"] == f"{report['prefixes'][1]['nicc']:.1f} × chance"
    text = quality_text(report)
    assert text.startswith(f"# Quality of the semantic IDs: {kind}, 150 places")
    assert "nan" not in text


def test_a_map_of_the_places_beats_random_codes_and_keeps_neighbours():
    report = report_of(places(400), spec("som", epochs=10, levels=["6x6", "6x6"]))
    random, kmeans = report["beside"]["random"], report["beside"]["residual_kmeans"]
    for name in ("nicc", "nics", "purity"):
        assert report["prefixes"][0][name] > 1.2 * random["prefixes"][0][name]
    assert report["levels"][0]["trustworthiness"] > kmeans["levels"][0]["trustworthiness"]
    assert report["levels"][0]["topographic_error"] < kmeans["levels"][0]["topographic_error"]
    away, chance = report["held_out"], random["held_out"]
    assert away["prefixes"][0]["nicc"] > 1.2 * chance["prefixes"][0]["nicc"]
    assert away["levels"][-1]["unexplained_variance"] < 0.5 < chance["levels"][-1]["unexplained_variance"]


def test_the_rqvae_stands_beside_where_asked():
    those = places()
    quantizer = fit(spec("random"), those)
    kinds = {
        beside: [peer.kind for peer in peers_of(spec("som", {"beside": beside}), quantizer, 150)]
        for beside in ("all", "fast", "off")
    }
    assert kinds == {"all": ["random", "kmeans", "rqvae"], "fast": ["random", "kmeans"], "off": []}
    assert peers_of(spec("som", {"beside": "all"}), quantizer, 1_000_000)[-1].epochs == 1


def test_what_stands_beside_is_what_the_options_say():
    rqvae = {name: getattr(spec("rqvae", **read_conf("rqvae", RQVAE)), name) for name in RQVAE}
    assert rqvae == RQVAE
    assert read_conf("kmeans", ["iterations"]) == {"iterations": KMEANS_ITERATIONS}
    (_, _, peer) = peers_of(spec("som", {"beside": "all"}), fit(spec("random"), places()), 5000)
    assert read_conf("rqvae", ["epochs"]) == {"epochs": peer.epochs}


def read_conf(option, names):
    values = yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8"))
    return {name: values[name] for name in names}


def test_places_outside_training_are_the_ones_held_out():
    those = places(150, in_train=120)
    quantizer = fit(spec("som"), those)
    found = held_out(those, 0.0, quantizer, lambda known: pytest.fail("nothing is fitted again"))
    assert (found["places"], found["second_fit"]) == (30, False)
    codes = quantizer.encode(those)
    shared = [(codes == row).all(1).sum() > 1 for row in codes[120:]]
    assert found["ids"]["collision_rate_before"] == pytest.approx(np.mean(shared))


def test_a_second_fit_never_sees_the_places_held_out():
    those = places()
    seen = []

    def refit(known):
        seen.append(known)
        return fit(spec("kmeans"), known)

    found = held_out(those, 0.2, fit(spec("kmeans"), those), refit)
    assert (found["places"], found["second_fit"], len(seen[0])) == (30, True, 120)
    assert held_out(those, 0.0, fit(spec("kmeans"), those), refit) is None
    rows = {row.tobytes() for row in seen[0].vectors}
    assert sum(row.tobytes() not in rows for row in those.vectors) == 30


def test_one_place_held_out_has_a_figure_of_the_size_of_the_others():
    """Its share is of the spread of the places learned from: about itself it has none."""
    those = places(in_train=149)
    report = report_of(those, spec("kmeans", {"beside": "off"}))
    known = those.known.vectors
    spread = np.square(known - known.mean(0)).sum(1).mean()
    last = report["held_out"]["levels"][-1]
    assert report["held_out"]["places"] == 1
    assert last["unexplained_variance"] == pytest.approx(last["rms_error"] ** 2 / spread, rel=1e-4)
    assert 0 < last["unexplained_variance"] < 1


def test_the_gate_stops_before_anything_else_is_fitted(monkeypatch):
    asked = spec("kmeans", {"gate": "stop", "beside": "all"})
    those = collapsed()
    quantizer = fit(asked, those)
    first = quantizer.encode(those)
    resolved = resolve("nearest_free", first, quantizer.grids, quantizer.space(those))
    monkeypatch.setattr("refinepoi.quantizer.report.fit", lambda *_: pytest.fail("a peer or a second fit"))
    with pytest.raises(UserError, match="level 1 collapsed"):
        make_report(asked, those, quantizer, first, resolved)


def collapsed():
    those = places()
    return Places(np.ones_like(those.vectors), those.latitude, those.longitude, those.category, those.trained)


def test_the_gate_warns_stops_and_is_silent():
    report = report_of(collapsed(), spec("som"))
    assert "level 1 collapsed" in report["warnings"][0]
    assert "100.0% of places share their ID before" in report["warnings"][-1]
    stop_if_asked(report["warnings"], spec("som").quality)  # warn: goes on
    with pytest.raises(UserError, match=r"level 1 collapsed.*quantizer\.quality\.gate=warn goes on"):
        stop_if_asked(report["warnings"], spec("som", {"gate": "stop"}).quality)
    assert warnings_of(report, QualitySpec(**QUALITY | {"gate": "off"})) == []
    stop_if_asked([], spec("som", {"gate": "stop"}).quality)
    assert report_of(places(), spec("som"))["warnings"] == []


@pytest.mark.parametrize(("share", "warned"), [(0.49, 0), (0.51, 1)])
def test_the_gate_opens_exactly_at_its_threshold(share, warned):
    level = {"cells": 10, "perplexity": 5.0}
    report = {"levels": [level], "ids": {"pois": 100, "collision_rate_before": 0.0}}
    assert len(warnings_of(report, QualitySpec(**QUALITY | {"min_perplexity": share}))) == warned
    few = {"levels": [level], "ids": {"pois": 5, "collision_rate_before": 0.0}}  # five places use five cells at most
    assert warnings_of(few, QualitySpec(**QUALITY | {"min_perplexity": 0.99})) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (0.30, 0.40, "25.0% fewer, at least 20% was the aim"),
        (0.36, 0.40, "10.0% fewer, 10.0 points short of the 20% fewer that was the aim"),
        (0.44, 0.40, "10.0% more, 30.0 points short"),
        (0.1, 0.0, "nothing to gain here"),
    ],
)
def test_the_report_says_by_how_much_collisions_fell(ours, theirs, words):
    peer = {"residual_kmeans": {"ids": {"collision_rate_before": theirs}}}
    report = {"quantizer": "som", "ids": {"collision_rate_before": ours}, "beside": peer}
    for kind in ("som", "minisom"):
        (line,) = findings_of(report, spec(kind))
        assert words in line
    assert findings_of(report, spec("opq")) == []
    assert findings_of(report | {"beside": {}}, spec("som")) == []


def test_the_table_is_markdown_and_its_columns_are_aligned():
    report = report_of(places(), spec("som"))
    lines = table("", {"som": report, "much longer name": report["beside"]["random"]}, SHORT).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1]) == set("| -:")
    assert " - |" in lines[3]  # random codes have no topographic error


def test_warnings_and_findings_stand_before_the_first_heading():
    report = report_of(collapsed(), spec("som"))
    head = quality_text(report).split("\n\n## ")[0]
    assert "- WARNING level 1 collapsed" in head
    assert "with residual k-means" in head
