from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refinepoi.core.seeding import generator
from refinepoi.quantizer.places import Places
from refinepoi.quantizer.rqvae import Autoencoder
from refinepoi.quantizer.rqvae_module import MovingBook, RqVaeModule, first_books, fit_rqvae

DRAWS = generator(0, "test")


def spec(**changes):
    values = {"seed": 0, "hidden": (32,), "latent": 8, "epochs": 30, "batch_size": 64, "learning_rate": 0.003,
              "commitment": 0.25, "decay": 0.9, "dead_below": 0.05}  # fmt: skip
    return SimpleNamespace(**(values | changes))


def rows(count=400, columns=10, seed=0):
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 60, count)
    return (3 * draw.standard_normal((60, columns))[kind] + 0.3 * draw.standard_normal((count, columns))).astype(
        np.float32
    )


def test_a_book_is_the_moving_average_of_what_chose_it():
    book = MovingBook(torch.tensor([[0.0], [10.0]]), torch.tensor([2.0, 2.0]), spec(decay=0.5, dead_below=0.0))
    chosen, restarted = book(torch.tensor([[1.0], [2.0], [8.0]]), DRAWS)
    assert chosen.ravel().tolist() == [0, 0, 10]
    assert restarted == 0
    # counts (2 + 2) / 2 and (2 + 1) / 2; sums (0 + 3) / 2 and (20 + 8) / 2
    assert book.counts.tolist() == [2, 1.5]
    assert book.weights.ravel().tolist() == pytest.approx([1.5 / 2, 14 / 1.5])


def test_a_node_nobody_uses_starts_anew_on_a_row_of_the_batch():
    book = MovingBook(torch.tensor([[0.0], [99.0]]), torch.tensor([2.0, 0.5]), spec(decay=0.5, dead_below=0.2))
    batch = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    _, restarted = book(batch, DRAWS)  # even use is 2; the second node falls to 0.25 of it: below 0.4
    assert restarted == 1
    assert book.weights[1] in batch
    assert book.counts[1] == 2


def test_the_first_books_are_residual_kmeans_of_the_latents():
    x = torch.from_numpy(rows())
    network = Autoencoder((10, 16, 4), 0)
    network.measure(x)
    books = first_books(network, x, ((4, 4), (3, 3)), 0)
    latents = network.encode(x).detach()
    (weights, share), (deeper, _) = books
    codes = torch.cdist(latents, weights).argmin(1)
    assert share.tolist() == pytest.approx((torch.bincount(codes, minlength=16) / 400).tolist())
    left = latents - weights[codes]
    after = left - deeper[torch.cdist(left, deeper).argmin(1)]
    assert latents.var(0).sum() > 3 * left.square().sum(1).mean() > 3 * after.square().sum(1).mean()


def test_the_gradient_passes_straight_through_the_codes():
    """The encoder's gradient of the reconstruction is that of the decoder at the codes, as if latents were codes."""
    module = RqVaeModule(spec(commitment=0.0, dead_below=0.0), torch.from_numpy(rows()), ((3, 3), (2, 2)))
    module._order = (0, torch.arange(400))
    batch = module.rows[:64]
    latent = module.network.encode(batch).detach().requires_grad_()
    residual = latent.detach()
    for book in module.books:
        residual = residual - book.weights[torch.cdist(residual, book.weights).argmin(1)]
    codes = (latent.detach() - residual).requires_grad_()
    network = module.network
    (torch.nn.functional.mse_loss(network.decode(codes), batch) / network.scale**2).backward()
    again = network.encode(batch)
    again.backward(codes.grad)
    expected = [p.grad.clone() for p in network.encoder.parameters()]
    network.zero_grad()
    module.training_step(0, 0).backward()
    for wanted, parameter in zip(expected, network.encoder.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-7)


def test_training_lowers_the_error_and_keeps_the_books_in_use():
    x, seen = rows(), []
    quantizer = fit_rqvae(spec(), x, ((4, 4), (4, 4)), seen.append)
    assert len(seen) == 30
    assert seen[-1]["unexplained_variance"] < 0.4 * seen[0]["unexplained_variance"]
    spot = np.zeros(400)
    codes = quantizer.encode(Places(x, spot, spot, np.full(400, "bar"), np.ones(400, bool)))
    assert [len(np.unique(column)) > 10 for column in codes.T] == [True, True]
    left = np.square(x - quantizer.decode(codes)).sum() / np.square(x - x.mean(0)).sum()
    assert left < 0.35
    assert np.square(x - quantizer.decode(codes, 1)).sum() > np.square(x - quantizer.decode(codes)).sum()


def test_vectors_enter_centred_and_scaled():
    x = 1000 + 50 * torch.from_numpy(rows())
    network = Autoencoder((10, 4), 0)
    network.measure(x)
    inside = (x - network.mean) / network.scale
    assert float(inside.mean()) == pytest.approx(0, abs=1e-3)
    assert float(inside.square().mean()) == pytest.approx(1, rel=1e-3)
    network.measure(torch.ones(5, 10))
    assert float(network.scale) == 1
