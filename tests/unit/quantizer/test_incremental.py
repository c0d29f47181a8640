"""New POIs get IDs, old ones keep theirs, whatever the quantizer and the policy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from options import option
from pydantic import TypeAdapter

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.quantizer.collisions import resolve
from refinepoi.quantizer.fit import fit
from refinepoi.quantizer.incremental import extend, reference_of, rotated
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.spec import FittedSpec, QuantizerSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
NAMES = tuple(f"p{n}" for n in range(200))
NEAR = {"new_drift": 9.0, "old_drift": 9.0}  # thresholds that nothing here reaches


def places(rows=200, columns=6, seed=0):
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 9, rows)
    vectors = 2 * draw.standard_normal((9, columns))[kind] + 0.5 * draw.standard_normal((rows, columns))
    return Places(
        vectors.astype(np.float32), 40 + 0.1 * draw.random(rows), -74 + 0.1 * draw.random(rows),
        np.array([f"kind {k}" for k in kind]), np.ones(rows, bool),
    )  # fmt: skip


def read(kind, **changes):
    values = option("quantizer", kind) | {"seed": 0} | changes
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return TypeAdapter(QuantizerSpec).validate_python(values)


def fitted(**changes) -> FittedSpec:
    return FittedSpec(**(option("quantizer", "fitted") | {"codebook": "store/quantize/abc"} | NEAR | changes))


def first_ids(those, names, kind="kmeans", policy="nearest_free", levels=("5x5", "4x4")):
    """(quantizer, stored IDs) of a first run."""
    quantizer = fit(read(kind, levels=list(levels), collisions=policy), those)
    codes = quantizer.encode(those)
    done = resolve(policy, codes, quantizer.grids, quantizer.space(those))
    told = reference_of(those, quantizer, codes, done.codes, None)
    return quantizer, SemanticIds(done.codes, done.grids, policy, {}, names, reference=told)


def as_stored(coded, names, policy):
    return SemanticIds(coded.resolved.codes, coded.resolved.grids, policy, {}, names, coded.reserved,
                       {"spread": 1.0, "error": 1.0, "error_unseen": 1.0})  # fmt: skip


def by_name(ids):
    return dict(zip(ids.poi_ids, ids.codes.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["kmeans", "geographic", "category", "random"])
@pytest.mark.parametrize("policy", ["nearest_free", "suffix", "none"])
def test_old_ids_stay_new_ones_come_and_the_gone_are_reserved(kind, policy):
    those = places()
    quantizer, stored = first_ids(those[:120], NAMES[:120], kind, policy)
    now = np.random.default_rng(1).permutation(np.arange(20, 180))  # 20 are gone, 60 are new, all in another order
    names = tuple(NAMES[n] for n in now)
    coded = extend(fitted(), quantizer, stored, those[now], names)
    ids = as_stored(coded, names, policy)
    before, after = by_name(stored), by_name(ids)
    width = len(stored.grids)
    assert all(after[name] == before[name] for name in names if name in before)
    assert set(ids.reserved.poi_ids) == set(NAMES[:20])
    assert dict(zip(ids.reserved.poi_ids, ids.reserved.codes.tolist(), strict=True)).items() <= before.items()
    assert (coded.drift["old_pois"], coded.drift["new_pois"], coded.drift["gone_pois"]) == (100, 60, 20)
    if policy != "none":
        everybody = np.concatenate([ids.codes, ids.reserved.codes])
        assert len(np.unique(everybody, axis=0)) == len(everybody) == 180
    else:
        new = [n not in before for n in names]
        assert (ids.codes[new] == quantizer.encode(those[now])[new]).all()
    assert ids.codes.shape[1] == width
    assert not coded.resolved.moved[[n in before for n in names]].any()


def test_a_poi_that_returns_has_its_id_back():
    those = places()
    quantizer, stored = first_ids(those[:50], NAMES[:50])
    without = as_stored(extend(fitted(), quantizer, stored, those[10:60], NAMES[10:60]), NAMES[10:60], "nearest_free")
    again = as_stored(extend(fitted(), quantizer, without, those[:70], NAMES[:70]), NAMES[:70], "nearest_free")
    assert (again.codes[:50] == stored.codes).all()
    assert (again.codes[10:60] == without.codes).all()
    assert again.reserved.poi_ids == ()
    assert len(np.unique(again.codes, axis=0)) == 70


def test_the_same_catalogue_changes_nothing_and_shows_no_drift():
    those = places()
    quantizer, stored = first_ids(those, NAMES)
    coded = extend(fitted(), quantizer, stored, those, NAMES)
    assert (coded.resolved.codes == stored.codes).all()
    assert coded.drift == {
        "old_pois": 200, "new_pois": 0, "gone_pois": 0, "old_drift": pytest.approx(0, abs=1e-9),
        "old_encoded_elsewhere": pytest.approx(0, abs=0.1),
    }  # fmt: skip
    assert coded.warnings == []


def test_new_pois_take_the_nearest_cell_that_is_free():
    """One level of 1 x 4 at 0, 1, 2, 3: the old hold 1 and 2, two new ones at 1.1 must go to 0 and 3."""
    those = replace(places()[:6], vectors=np.array([[0], [1], [2], [3], [1.1], [1.2]], np.float32))
    quantizer, stored = first_ids(those[:4], NAMES[:4], levels=["1x4"])
    cell = {name: code[0] for name, code in by_name(stored).items()}
    kept = replace(stored, codes=stored.codes[1:3], poi_ids=NAMES[1:3])
    coded = extend(fitted(), quantizer, kept, those[1:3][[0, 1]], NAMES[1:3])
    assert coded.resolved.codes[:, 0].tolist() == [cell["p1"], cell["p2"]]
    rows = np.array([1, 2, 4, 5])
    coded = extend(fitted(), quantizer, kept, those[rows], tuple(NAMES[r] for r in rows))
    assert coded.resolved.codes[:, 0].tolist() == [cell["p1"], cell["p2"], cell["p0"], cell["p3"]]
    assert coded.resolved.moved.tolist() == [False, False, True, True]


def test_a_full_catalogue_is_refused():
    those = places()
    quantizer, stored = first_ids(those[:15], NAMES[:15], levels=["4x4"])
    with pytest.raises(UserError, match="5 POIs beside 15 whose IDs are given do not fit into 16 IDs"):
        extend(fitted(), quantizer, stored, those[:20], NAMES[:20])


def test_what_does_not_belong_together_is_refused():
    those = places()
    quantizer, stored = first_ids(those[:50], NAMES[:50])
    with pytest.raises(UserError, match=r"store/quantize/abc was fitted on vectors of 6 columns.* have 4"):
        extend(fitted(), quantizer, stored, replace(those, vectors=those.vectors[:, :4].copy()), NAMES)
    with pytest.raises(UserError, match=r"none of the 50 POIs is among the 50 .*here 'p100', there 'p0'"):
        extend(fitted(), quantizer, stored, those[100:150], NAMES[100:150])


def test_drift_is_measured_in_spreads_and_told():
    those = places()
    quantizer, stored = first_ids(those[:150], NAMES[:150])
    spec = fitted(new_drift=0.25, old_drift=0.1)
    assert extend(spec, quantizer, stored, those, NAMES).warnings == []
    far = those.vectors.copy()
    far[150:] += 3 * stored.reference["spread"]  # in each of six columns
    coded = extend(spec, quantizer, stored, replace(those, vectors=far), NAMES)
    assert [line[:33] for line in coded.warnings] == ["drift: new POIs lie far from any I"[:33]]
    told = quantizer.decode(quantizer.encode(replace(those, vectors=far))[150:])
    left = np.sqrt(np.square(far[150:] - told).sum(1).mean())
    expected = (left - stored.reference["error_unseen"]) / stored.reference["spread"]
    assert coded.drift["new_drift"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(UserError, match=r"new POIs lie far(.|\n)*on_drift: stop"):
        extend(fitted(new_drift=0.25, on_drift="stop"), quantizer, stored, replace(those, vectors=far), NAMES)


def test_another_encoder_is_noticed_and_a_turned_one_is_turned_back():
    those = places()
    quantizer, stored = first_ids(those[:150], NAMES[:150])
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
    turned = replace(those, vectors=((those.vectors + 5) @ turn).astype(np.float32))
    spec = fitted(old_drift=0.1)
    coded = extend(spec, quantizer, stored, turned, NAMES)
    assert coded.drift["old_drift"] > 0.5
    assert "quantizer.align=rotate" in coded.warnings[0]
    back = extend(fitted(old_drift=0.1, align="rotate"), quantizer, stored, turned, NAMES)
    assert back.warnings == []
    # The motion is found from what IDs say of places, not from their vectors: close, not equal.
    plain = extend(spec, quantizer, stored, those, NAMES)
    assert (back.first[150:] == plain.first[150:]).mean() > 0.8
    assert (back.resolved.codes[:150] == stored.codes).all()


def test_rotation_is_rigid_and_found():
    draw = np.random.default_rng(0)
    there = draw.standard_normal((50, 4))
    turn = np.linalg.qr(draw.standard_normal((4, 4)))[0]
    here = (there @ turn + 7).astype(np.float32)
    np.testing.assert_allclose(rotated(here, here[:30], there[:30].astype(np.float32)), there, atol=1e-4)


def test_new_pois_are_held_against_places_never_learned_from():
    those = places()
    quantizer = fit(read("kmeans", levels=["5x5"]), those)
    codes = quantizer.encode(those)
    told = reference_of(those, quantizer, codes, codes, 0.7)
    spread = np.sqrt(np.square(those.vectors - those.vectors.mean(0)).sum(1).mean())
    assert told["spread"] == pytest.approx(spread, rel=1e-5)
    assert told["error_unseen"] == 0.7
    assert told["error"] == reference_of(those, quantizer, codes, codes, None)["error_unseen"]
