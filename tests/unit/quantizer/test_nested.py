import numpy as np

from refinepoi.quantizer.nested import Maps, NestedQuantizer
from refinepoi.quantizer.places import Places


def places(vectors):
    rows = len(vectors)
    spot = np.zeros(rows)
    return Places(vectors.astype(np.float32), spot, spot, np.full(rows, "bar"), np.ones(rows, bool))


def ends(rows, level):
    """A "map" of two nodes: the smallest and the largest row."""
    return np.stack([rows.min(0), rows.max(0)])


def split(rows, level):
    """The same for a first level that splits at the sign."""
    return np.array([[-10.0], [10.0]], np.float32) if level == 0 else ends(rows, level)


def test_a_cell_with_enough_places_has_a_map_of_its_own():
    x = np.array([[-10.5], [-10.1], [-9.9], [-9.8], [9.0], [11.0]])  # four left, two right
    quantizer = NestedQuantizer.fit(places(x), ((1, 2), (1, 2)), split, ends, 1.5, "rectangular")
    below = quantizer.maps[1]
    assert below.keys.tolist() == [0]  # two nodes at 1.5 a node: three places are needed
    np.testing.assert_allclose(below.own[0][:, 0], [-0.5, 0.2], atol=1e-5)  # what the left cell has left
    np.testing.assert_allclose(below.shared[:, 0], [-1, 1], atol=1e-5)  # what all have left
    codes = quantizer.encode(places(x))
    assert codes.tolist() == [[0, 0], [0, 1], [0, 1], [0, 1], [1, 0], [1, 1]]
    decoded = quantizer.decode(codes)[:, 0]
    np.testing.assert_allclose(decoded, [-10.5, -9.8, -9.8, -9.8, 9, 11], atol=1e-5)


def test_a_place_in_a_cell_without_places_uses_the_shared_map():
    x = np.linspace(-12, -8, 8)[:, None]
    quantizer = NestedQuantizer.fit(places(x), ((1, 2), (1, 2)), split, ends, 1.0, "rectangular")
    far = places(np.array([[9.0]]))
    codes = quantizer.encode(far)
    assert codes.tolist() == [[1, 0]]
    np.testing.assert_allclose(quantizer.decode(codes), 10 + quantizer.maps[1].shared[:1], atol=1e-5)


def test_groups_partition_the_rows():
    maps = Maps(np.zeros((3, 2), np.float32), np.array([4, 7]), np.ones((2, 3, 2), np.float32) * [[[1]], [[2]]])
    found = {float(weights[0, 0]): rows.tolist() for weights, rows in maps.groups(np.array([7, 1, 4, 7, 9]))}
    assert found == {0.0: [1, 4], 1.0: [2], 2.0: [0, 3]}
    assert maps.groups(np.array([], np.int64)) == []


def test_own_maps_never_need_more_memory_than_the_share_allows():
    draw = np.random.default_rng(0)
    x = draw.standard_normal((500, 3))

    def rows_of(rows, level):
        return rows[:4] if len(rows) >= 4 else np.zeros((4, rows.shape[1]), np.float32)

    for share in (0.5, 1.0, 4.0):
        quantizer = NestedQuantizer.fit(places(x), ((2, 2),) * 4, rows_of, rows_of, share, "rectangular")
        assert all(maps.own.size <= x.size / share for maps in quantizer.maps)
        assert any(len(maps.own) for maps in quantizer.maps)
