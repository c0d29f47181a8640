import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from refinepoi.core.errors import UserError
from refinepoi.prompt.bins import check_counters, fit_edges, prefixes, probability_edges, quantise

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # shared cores

VALUES = arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1e6, width=32))


def test_bins_are_quantiles_of_positive_values() -> None:
    # positive values 1..8 and 4 bins: three bins for them. A third of them (2.67, so 3) is at or below 3, two thirds 6
    values = np.array([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], np.float32)
    edges = fit_edges(values, bins=4)
    assert edges.tolist() == [3, 6]
    assert quantise(values, edges).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3]


def test_few_distinct_values_need_fewer_bins_and_leave_none_empty() -> None:
    values = np.array([0, 1, 1, 1, 1, 1, 2, 2, 3], np.float32)
    edges = fit_edges(values, bins=24)
    assert sorted(set(quantise(values, edges).tolist())) == list(range(len(edges) + 2))


def test_values_beyond_the_fit_fall_into_the_outer_bins() -> None:
    edges = np.array([1.0, 2.0])
    assert quantise(np.array([0, 1e-9, 1, 1.5, 2, 1e9], np.float32), edges).tolist() == [0, 1, 2, 2, 3, 3]


def test_counters_without_positive_values_have_one_bin() -> None:
    assert quantise(np.array([0.0, 5.0], np.float32), fit_edges(np.zeros(5, np.float32), 24)).tolist() == [0, 1]


@PATIENT
@given(VALUES, st.integers(2, 30))
def test_bins_keep_the_order_and_stay_in_range(values: np.ndarray, bins: int) -> None:
    found = quantise(values, fit_edges(values, bins))
    assert found.min() >= 0 and found.max() < bins
    assert ((found == 0) == (values == 0)).all()
    order = np.argsort(values)
    assert (np.diff(found[order]) >= 0).all()


def test_prefixes_differ_and_are_no_time_words() -> None:
    letters = prefixes(200)
    assert len(set(letters)) == 200
    assert not {"d", "g", "h"} & set(letters)


def test_unknown_and_repeated_counters_are_refused(world) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=r"prompt.counters: \['nonsense'\] not among .*user_count"):
        check_counters(("user_count", "nonsense"), world.evidence)
    with pytest.raises(UserError, match="given twice"):
        check_counters(("user_count", "user_count"), world.evidence)


def test_probabilities_are_told_apart_by_half_octaves() -> None:
    values = np.array([0.0, 1e-9, 0.49, 0.51, 0.7, 0.72, 1.0], np.float32)
    assert quantise(values, probability_edges(6)).tolist() == [0, 1, 3, 4, 4, 5, 5]
    assert len(probability_edges(2)) == 0
