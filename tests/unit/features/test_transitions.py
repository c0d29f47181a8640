import numpy as np
from scipy import sparse

from refinepoi.features.transitions import spectral, transition_counts

HOUR = 3600


def test_counts_by_hand() -> None:
    rows = [  # trajectory, poi, utc
        (0, 0, 0), (1, 3, 0), (0, 1, HOUR), (0, 1, 2 * HOUR), (1, 2, 2 * HOUR), (0, 0, 3 * HOUR), (0, 2, 9 * HOUR),
    ]  # fmt: skip
    trajectory, poi, utc = (np.array(column) for column in zip(*rows, strict=True))
    counts = transition_counts(trajectory, poi, utc, 4.0, 5).toarray()
    expected = np.zeros((5, 5))
    expected[0, 1] = expected[1, 0] = 2  # there and back; 1 -> 1 is no pair; 0 -> 2 took 6 h
    expected[2, 3] = expected[3, 2] = 1
    np.testing.assert_array_equal(counts, expected)


def test_spectral_vectors_give_back_the_information() -> None:
    draw = np.random.default_rng(0)
    counts = np.triu(draw.poisson(2.0, (12, 12)), 1).astype(float)
    counts += counts.T
    degree = counts.sum(0)
    with np.errstate(divide="ignore"):
        ppmi = np.maximum(np.log(counts * counts.sum() / np.outer(degree, degree)), 0)
    vectors = spectral(sparse.csr_array(counts), 10)
    values = np.sort(np.linalg.svd(ppmi, compute_uv=False))[::-1][:10]
    np.testing.assert_allclose((vectors**2).sum(0), values, rtol=1e-8)
    np.testing.assert_array_equal(vectors, spectral(sparse.csr_array(counts), 10))
    assert (vectors[np.abs(vectors).argmax(0), np.arange(10)] > 0).all()


def test_two_neighbourhoods_come_apart() -> None:
    block = np.kron(np.eye(2), np.ones((5, 5))) * 3 + 0.1
    vectors = spectral(sparse.csr_array(block - np.diag(np.diag(block))), 2)
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert distance[:5, :5].max() < 0.1 * distance[:5, 5:].min()


def test_nothing_in_nothing_out() -> None:
    assert not spectral(sparse.csr_array((6, 6)), 3).any()
    assert spectral(sparse.csr_array(np.ones((2, 2))), 3).shape == (2, 3)
