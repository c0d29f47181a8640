"""Canonical JSON and keys; grids; strictness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from refinepoi.core.spec import Grid, Spec, canonical, digest, grid_shape


class Toy(Spec):
    size: int
    rate: float
    grids: tuple[Grid, ...]


def test_canonical_ignores_order_and_keeps_types_apart() -> None:
    assert canonical({"b": 1, "a": [True, None]}) == '{"a":[true,null],"b":1}'
    assert canonical(1) != canonical("1") and canonical((1, 2)) == canonical([1, 2])
    with pytest.raises(ValueError):
        canonical(float("nan"))


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_digest_follows_content(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))
    assert digest(value) != digest({**value, "one more key": 0})


@pytest.mark.parametrize("bad", ["16", "16x", "0x4", "4x4x4", "x", "16X16", "-1x3", "1.5x2", " 4x4"])
def test_malformed_grids_are_refused(bad: str) -> None:
    with pytest.raises(ValidationError, match="HEIGHTxWIDTH"):
        Toy(size=1, rate=1.0, grids=(bad,))


def test_grid_shape() -> None:
    assert grid_shape("16x8") == (16, 8)


@pytest.mark.parametrize("change", [{"size": "1"}, {"size": 1.5}, {"rate": "x"}, {"rate": float("nan")}, {"new": 1}])
def test_strict(change: dict[str, object]) -> None:
    values = {"size": 1, "rate": 1.0, "grids": ("4x4",)} | change
    with pytest.raises(ValidationError):
        Toy(**values)
