"""What every quantizer promises, whatever its idea: one contract, asked of each kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from options import option
from pydantic import TypeAdapter

from refinepoi.quantizer.collisions import resolve
from refinepoi.quantizer.fit import epochs_of, fit, load, save, som_of
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.quality import collision_rate
from refinepoi.quantizer.spec import QuantizerSpec

CONF = Path(__file__).parents[3] / "conf" / "quantizer"
SMALL = {
    "som": {"epochs": 4},
    "nested": {"epochs": 4},
    "minisom": {"epochs": 3},
    "kmeans": {"iterations": 5},
    "rqvae": {"epochs": 25, "learning_rate": 0.01, "hidden": [16], "latent": 4, "batch_size": 32},
    "opq": {"rotations": 3, "iterations": 5},
    "random": {},
    "geographic": {},
    "category": {"epochs": 4, "iterations": 5},
}
KINDS = sorted(SMALL)
READ_VECTORS = [kind for kind in KINDS if kind not in ("random", "geographic")]


def places(rows=140, columns=6, held_out=20, seed=0):
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 9, rows)
    vectors = 2 * draw.standard_normal((9, columns))[kind] + 0.5 * draw.standard_normal((rows, columns))
    return Places(
        vectors.astype(np.float32),
        40 + 0.1 * draw.random(rows),
        -74 + 0.1 * draw.random(rows),
        np.array([f"kind {k}" for k in kind]),
        np.arange(rows) >= held_out,
    )


def spec(kind, **changes):
    values = option("quantizer", kind) | {"seed": 0, "levels": ["4x4", "3x4", "2x3"]} | SMALL[kind] | changes
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return TypeAdapter(QuantizerSpec).validate_python(values)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    """(kind, places, quantizer, number of epochs reported)"""
    calls = []
    quantizer = fit(spec(request.param), places(), calls.append)
    return request.param, places(), quantizer, calls


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_option_is_tested_here():
    assert {path.stem for path in CONF.glob("*.yaml")} - {"fitted"} == set(KINDS)


def test_codes_lie_on_their_grids_and_use_them(fitted):
    _, those, quantizer, _ = fitted
    codes = quantizer.encode(those)
    assert codes.dtype == np.int32
    assert codes.shape == (140, 3)
    assert quantizer.grids == ((4, 4), (3, 4), (2, 3))
    assert (codes >= 0).all()
    assert (codes < [16, 12, 6]).all()
    assert [len(np.unique(column)) > 3 for column in codes.T] == [True] * 3


def test_a_row_is_encoded_alone_as_among_others(fitted):
    _, those, quantizer, _ = fitted
    codes = quantizer.encode(those)
    assert (quantizer.encode(those[50:57]) == codes[50:57]).all()
    assert (quantizer.encode(those[np.arange(140)[::-1]]) == codes[::-1]).all()


def test_what_is_stored_is_what_was_fitted(fitted, tmp_path):
    kind, those, quantizer, _ = fitted
    save(quantizer, spec(kind), tmp_path / "a")
    spec_of, again = load(tmp_path / "a")
    assert spec_of == spec(kind)
    assert type(again) is type(quantizer)
    assert (again.grids, again.topology) == (quantizer.grids, quantizer.topology)
    codes = quantizer.encode(those)
    assert (again.encode(those) == codes).all()
    for levels in (None, 0, 1, 2):
        assert again.decode(codes, levels).tobytes() == quantizer.decode(codes, levels).tobytes()
    save(again, spec(kind), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert {Path(name).suffix for name in files_of(tmp_path / "a")} <= {".json", ".npy", ".safetensors"}


def test_the_same_places_give_the_same_bytes(fitted, tmp_path):
    kind, those, quantizer, _ = fitted
    save(quantizer, spec(kind), tmp_path / "a")
    save(fit(spec(kind), those), spec(kind), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_places_outside_training_change_nothing(fitted, tmp_path):
    kind, those, quantizer, _ = fitted
    away = ~those.trained
    other = replace(
        those,
        vectors=those.vectors + 50 * away[:, None].astype(np.float32),
        latitude=those.latitude + 9 * away,
        category=np.where(away, "never seen", those.category),
    )
    again = fit(spec(kind), other)
    save(quantizer, spec(kind), tmp_path / "a")
    save(again, spec(kind), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    moved = again.encode(other)
    assert (moved[20:] == quantizer.encode(those)[20:]).all()
    assert (moved[:20] != quantizer.encode(those)[:20]).any()


def test_decoding_comes_closer_with_each_level(fitted):
    kind, those, quantizer, _ = fitted
    known = those.known
    codes = quantizer.encode(known)
    assert quantizer.decode(codes).dtype == np.float32
    left = [float(np.square(known.vectors - quantizer.decode(codes, levels)).sum()) for levels in range(4)]
    if kind in ("opq", "rqvae"):  # a part says nothing of the others; the decoder is trained on whole codes
        assert left[3] < left[0]
    else:
        assert left[0] > left[1] > left[2] > left[3]
    assert quantizer.decode(codes).tobytes() == quantizer.decode(codes, 3).tobytes()


def test_space_agrees_with_the_codes(fitted):
    kind, those, quantizer, _ = fitted
    codes, space, rows = quantizer.encode(those), quantizer.space(those), np.arange(30, 90)
    for level in range(3):
        distances = space.distances(codes, rows, level)
        assert distances.shape == (60, 16 if level == 0 else 12 if level == 1 else 6)
        assert (distances >= 0).all()
        own = distances[np.arange(60), codes[rows, level]]
        if kind != "geographic":  # there cells are stretched: the nearest middle may be a neighbour's
            np.testing.assert_allclose(own, distances.min(1), rtol=1e-5, atol=1e-6)
        if level < 2:
            assert (space.below(codes, rows, level) == codes[rows, level + 1 :]).all()


@pytest.mark.parametrize("policy", ["nearest_free", "suffix", "none"])
def test_every_collision_policy_holds(fitted, policy):
    _, those, quantizer, _ = fitted
    codes = quantizer.encode(those)
    done = resolve(policy, codes, quantizer.grids, quantizer.space(those))
    assert (collision_rate(done.codes) == 0) == (policy != "none" or collision_rate(codes) == 0)
    assert (done.codes < [h * w for h, w in done.grids]).all()
    decoded = quantizer.decode(done.codes[:, :3])
    assert decoded.shape == those.vectors.shape
    assert np.isfinite(decoded).all()


def test_progress_is_announced_and_kept(fitted):
    kind, _, _, calls = fitted
    assert len(calls) == epochs_of(spec(kind))
    assert all(np.isfinite(list(figures.values())).all() and figures for figures in calls)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 3, 140])
def test_few_places_and_equal_places(kind, rows):
    those = places()
    same = replace(those, vectors=np.ones_like(those.vectors), trained=np.ones(140, bool))[:rows]
    quantizer = fit(spec(kind), same)
    codes = quantizer.encode(same)
    assert codes.shape == (rows, 3)
    np.testing.assert_allclose(quantizer.decode(codes), same.vectors, atol=0.5 if kind == "rqvae" else 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_one_level(kind):
    sigma = {"sigma_end": [0.5]} if kind in ("som", "nested", "minisom") else {}
    quantizer = fit(spec(kind, levels=["3x3"], **sigma), places())
    codes = quantizer.encode(places())
    assert codes.shape == (140, 1)
    assert len(np.unique(codes)) > 3
    resolved = resolve("suffix", codes, quantizer.grids, quantizer.space(places()))
    assert collision_rate(resolved.codes) == 0


@pytest.mark.parametrize("kind", READ_VECTORS)
def test_kinds_that_read_vectors_tell_more_of_unseen_places_than_their_mean(kind):
    those = places()
    quantizer = fit(spec(kind), those)
    away = those[~those.trained]
    left = np.square(away.vectors - quantizer.decode(quantizer.encode(away))).sum()
    assert left < 0.5 * np.square(away.vectors - those.known.vectors.mean(0)).sum()


def test_final_sigma_grows_with_depth_from_the_first_level_to_the_last():
    """What the option says for two levels holds for any number: .3/.5/.7 over three (docs/method.md section 3)."""
    for levels, wanted in ((["4x4"] * 2, [0.3, 0.7]), (["4x4"] * 3, [0.3, 0.5, 0.7])):
        made = spec("som", levels=levels)
        soms = [som_of(made, ((4, 4),) * len(levels), "cpu", level) for level in range(len(levels))]
        assert [som.sigma_end for som in soms] == pytest.approx(wanted)
        assert [som.sigma_start for som in soms] == [1.0] * len(levels)
