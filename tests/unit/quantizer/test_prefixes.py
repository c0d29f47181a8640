"""What POIs of a prefix have in common, against loops over all pairs."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinepoi.quantizer import prefixes
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.prefixes import bucket_quantiles, kilometres, partners, prefix_report, purity

GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=25)


def places_of(latitude, longitude, category):
    rows = len(latitude)
    return Places(
        np.zeros((rows, 1), np.float32),
        np.array(latitude),
        np.array(longitude),
        np.array(category),
        np.ones(rows, bool),
    )


def test_purity_by_hand():
    group, kind = np.array([0, 0, 0, 1, 1, 2]), np.array([7, 7, 8, 8, 8, 9])
    assert purity(group, kind, np.ones(6, bool)) == pytest.approx((3 * 2 / 3 + 2 * 1 + 1) / 6)
    assert purity(group, kind, np.array([1, 0, 0, 1, 0, 0], bool)) == pytest.approx((2 / 3 + 1) / 2)


@settings(max_examples=50, deadline=None)
@given(GROUPS, st.integers(0, 3))
def test_partners_are_all_pairs_of_small_groups(groups, seed):
    group = np.array(groups)
    found = partners(group, np.random.default_rng(seed), np.arange(len(group)))
    pairs = {tuple(pair) for pair in found.tolist()}
    assert len(pairs) == len(found)
    wanted = {(i, j) for i in range(len(group)) for j in range(len(group)) if i != j and group[i] == group[j]}
    if max(Counter(groups).values()) <= prefixes.PARTNERS + 1:
        assert pairs == wanted
    else:
        assert pairs < wanted


def test_partners_of_a_large_group_are_so_many_for_each():
    found = partners(np.zeros(100, int), np.random.default_rng(0), np.arange(100))
    assert np.bincount(found[:, 0]).tolist() == [prefixes.PARTNERS] * 100
    assert (found[:, 0] != found[:, 1]).all()


def test_some_sources_have_the_same_partners_to_choose_from():
    group = np.array([0, 1, 0, 1, 0])
    found = partners(group, np.random.default_rng(0), np.array([1, 4]))
    assert {tuple(pair) for pair in found.tolist()} == {(1, 3), (4, 0), (4, 2)}


def test_kilometres_between_known_places():
    paris, london, pole = (48.8566, 2.3522), (51.5074, -0.1278), (90.0, 77.0)
    (there, up) = (
        kilometres((np.array([paris[0]]), np.array([b[0]])), (np.array([paris[1]]), np.array([b[1]])))[0]
        for b in (london, pole)
    )
    assert there == pytest.approx(343.56, abs=0.5)
    assert up == pytest.approx((90 - paris[0]) * np.pi / 180 * 6371.0088, rel=1e-9)
    assert kilometres((np.array([10.0]), np.array([10.0])), (np.array([179.9]), np.array([-179.9])))[0] < 25


def test_the_report_by_hand():
    # Two places a hundredth of a degree of latitude apart in prefix 0, three in prefix 1 at 0, 1 and 3 hundredths.
    latitude = [40.00, 40.01, 50.00, 50.01, 50.03]
    those = places_of(latitude, [0.0] * 5, ["a", "a", "a", "b", "b"])
    codes = np.array([[0], [0], [1], [1], [1]], np.int32)
    report = prefix_report(codes, those)
    hundredth = 0.01 * np.pi / 180 * 6371.0088
    assert report["prefixes"] == 2
    assert report["purity"] == pytest.approx((2 * 1 + 3 * 2 / 3) / 5)
    assert report["kilometres"] == pytest.approx(np.median([1, 1, 1, 1, 2, 2, 3, 3]) * hundredth, rel=1e-6)
    assert report["kilometres_random"] > 100
    assert (report["buckets"]["min"], report["buckets"]["max"]) == (2, 3)
    some = prefix_report(codes, those, np.array([0, 0, 0, 0, 1], bool))
    assert some["kilometres"] == pytest.approx(2.5 * hundredth, rel=1e-6)
    assert some["purity"] == pytest.approx(2 / 3)
    assert some["prefixes"] == 1


def test_nobody_shares_a_prefix():
    those = places_of([40.0, 41.0], [0.0, 0.0], ["a", "b"])
    report = prefix_report(np.array([[0], [1]], np.int32), those)
    assert report["kilometres"] is None
    assert report["purity"] == report["purity_random"] == 1


def test_random_purity_tells_what_small_buckets_give():
    draw = np.random.default_rng(0)
    those = places_of(40 + draw.random(600), draw.random(600), draw.integers(0, 6, 600).astype(str))
    report = prefix_report(draw.integers(0, 200, (600, 1)).astype(np.int32), those)
    assert report["purity"] == pytest.approx(report["purity_random"], abs=0.04)
    assert report["purity"] > 0.4  # far above a sixth, though there is no order at all


def test_quantiles_of_bucket_sizes():
    found = bucket_quantiles(np.repeat([3, 5, 9], [1, 2, 5]))
    assert [found[name] for name in ("min", "median", "max")] == [1, 2, 5]
