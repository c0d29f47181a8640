from dataclasses import replace

import numpy as np
import pytest

from refinepoi.quantizer.category import CategoryQuantizer
from refinepoi.quantizer.places import Places


def city(kinds=9, each=20, columns=5, seed=0):
    draw = np.random.default_rng(seed)
    kind = np.repeat(np.arange(kinds), each)
    vectors = 4 * draw.standard_normal((kinds, columns))[kind] + 0.5 * draw.standard_normal((kinds * each, columns))
    names = np.array([f"kind {k}" for k in kind])
    return Places(vectors.astype(np.float32), np.zeros(len(kind)), np.zeros(len(kind)), names, np.ones(len(kind), bool))


def fit(places, grids):
    return CategoryQuantizer.fit(places, grids, epochs=10, iterations=10, seed=0)


def cells_by_name(places, codes):
    return {name: {tuple(c) for c in codes[places.category == name].tolist()} for name in np.unique(places.category)}


@pytest.mark.parametrize(("grids", "top"), [(((4, 4),), 1), (((4, 4), (3, 3)), 1), (((2, 2), (2, 2), (3, 3)), 2)])
def test_each_category_has_a_cell_of_its_own_on_the_upper_levels(grids, top):
    places = city()
    quantizer = fit(places, grids)
    cells = cells_by_name(places, quantizer.encode(places)[:, :top])
    assert all(len(found) == 1 for found in cells.values())
    assert len(set.union(*cells.values())) == 9
    assert quantizer.top == top


def test_neighbours_on_the_map_are_categories_alike():
    """Categories on a line, in their order, on a 1 x 9 map."""
    places = city()
    line = np.repeat(np.arange(9), 20)[:, None] * np.ones(5)
    quantizer = fit(replace(places, vectors=line.astype(np.float32)), ((1, 9),))
    order = [int(quantizer.codes[list(quantizer.names).index(f"kind {k}"), 0]) for k in range(9)]
    assert order in (list(range(9)), list(range(9))[::-1])


def test_rare_categories_join_the_nearest_that_has_a_cell():
    places = city(kinds=5)
    rare = np.array(["rare"] * 3)
    twin = replace(places[places.category == "kind 3"][:3], category=rare)
    both = Places(*(np.concatenate([getattr(places, n), getattr(twin, n)]) for n in Places.__dataclass_fields__))
    quantizer = fit(both, ((1, 5), (2, 2)))
    codes = dict(zip(quantizer.names.tolist(), quantizer.codes[:, 0].tolist(), strict=True))
    assert codes["rare"] == codes["kind 3"]
    assert len(set(codes.values())) == 5


def test_a_category_never_seen_goes_where_its_vector_lies():
    places = city()
    quantizer = fit(places, ((4, 4), (3, 3)))
    new = replace(places[places.category == "kind 6"], category=np.full(20, "brand new"))
    assert (quantizer.encode(new) == quantizer.encode(places)[places.category == "kind 6"]).all()


def test_the_place_is_coded_relative_to_its_category():
    places = city()
    quantizer = fit(places, ((4, 4), (3, 3)))
    codes = quantizer.encode(places)
    means = np.stack([places.vectors[places.category == name].mean(0) for name in places.category])
    np.testing.assert_allclose(quantizer.decode(codes, 1), means, atol=1e-5)
    away = np.square((places.vectors - means)[:, None] - quantizer.within.weights[0]).sum(2)
    assert (away.argmin(1) == codes[:, 1]).all()


def test_a_move_to_another_category_codes_the_place_anew():
    places = city()
    quantizer = fit(places, ((4, 4), (3, 3)))
    codes, rows = quantizer.encode(places), np.array([0])
    other = codes.copy()
    other[0, 0] = codes[50, 0]
    expected = quantizer.within.encode(places.vectors[:1] - quantizer.decode(codes[50:51], 1))
    assert (quantizer.space(places).below(other, rows, 0) == expected).all()
    assert quantizer.space(places).distances(codes, rows, 0)[0, codes[0, 0]] == 0
