import numpy as np
from scipy.cluster.vq import kmeans2, vq

from refinepoi.quantizer.kmeans import fit_kmeans


def blobs(rows=300, seed=0):
    draw = np.random.default_rng(seed)
    centres = 10 * draw.standard_normal((6, 3))
    return (centres[np.arange(rows) % 6] + 0.1 * draw.standard_normal((rows, 3))).astype(np.float32), centres


def test_finds_planted_centres():
    x, centres = blobs()
    found = fit_kmeans(x, 6, iterations=20, seed=0)
    assert np.linalg.norm(found[:, None] - centres, axis=2).min(0).max() < 0.1


def test_is_as_close_as_scipy_with_its_own_start():
    x = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    ours = vq(x, fit_kmeans(x, 20, iterations=30, seed=0))[1].mean()
    theirs = np.mean([vq(x, kmeans2(x, 20, iter=30, minit="++", rng=s)[0])[1].mean() for s in range(3)])
    assert ours < 1.04 * theirs


def test_is_deterministic_by_seed_and_level():
    x = np.random.default_rng(1).standard_normal((200, 4)).astype(np.float32)
    a, b, c, d = (fit_kmeans(x, 8, iterations=3, seed=s, level=lv) for s, lv in ((0, 0), (0, 0), (1, 0), (0, 1)))
    assert a.tobytes() == b.tobytes()
    assert a.tobytes() != c.tobytes()
    assert a.tobytes() != d.tobytes()


def test_fewer_distinct_rows_than_nodes():
    x = np.repeat(np.array([[0, 1], [2, 3]], np.float32), 5, axis=0)
    found = fit_kmeans(x, 4, iterations=3, seed=0)
    assert found.shape == (4, 2)
    assert {tuple(row) for row in found.tolist()} == {(0, 1), (2, 3)}


def test_many_duplicates_leave_no_warning():
    x = np.concatenate([np.zeros((200, 2)), np.random.default_rng(0).standard_normal((12, 2))]).astype(np.float32)
    assert np.isfinite(fit_kmeans(x, 10, iterations=20, seed=0)).all()
