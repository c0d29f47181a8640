from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from refinepoi.encoder.network import FILE, Network, encode, load_network, save_network


def test_stored_network_encodes_alike(tmp_path: Path) -> None:
    network = Network((12, 9, 7, 5), seed=3)
    save_network(network, tmp_path)
    rows = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    vectors = encode(network, rows, chunk=7)
    torch.testing.assert_close(encode(load_network(tmp_path), rows), vectors)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(40))
    assert load_network(tmp_path).sizes == (12, 9, 7, 5)


def test_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    one, state = Network((6, 4, 3), seed=3), torch.get_rng_state()
    torch.manual_seed(2)
    other = Network((6, 4, 3), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(Network((6, 4, 3), seed=4).parameters()))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    save_network(Network((6, 4, 3)), tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SafetensorError):
        load_network(tmp_path)


def test_no_hidden_layer_is_a_projection() -> None:
    network = Network((4, 3), seed=0)
    rows = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encode(network, rows), encode(network, rows * 3))  # bias starts at 0
    assert np.isfinite(encode(network, rows).numpy()).all()
