"""The device's search against NumPy's: on the CPU, where it can be run anywhere, and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from refinepoi.core.errors import UserError
from refinepoi.quantizer import device as device_module
from refinepoi.quantizer import som as som_module
from refinepoi.quantizer.device import DeviceSearch, Resident, pick
from refinepoi.quantizer.som import BatchSOM
from refinepoi.quantizer.winners import WinnerSearch

CPU = torch.device("cpu")


def vectors(rows=3000, columns=20):
    draw = np.random.default_rng(0)
    return (
        draw.standard_normal((30, columns))[draw.integers(0, 30, rows)] + draw.standard_normal((rows, columns))
    ).astype(np.float32)


def searches(nodes=90, columns=20):
    draw = np.random.default_rng(1)
    centred, centre = draw.standard_normal((nodes, columns)), draw.standard_normal(columns)
    return WinnerSearch(centred, centre, 4.0), DeviceSearch(centred, centre, 4.0, CPU)


def test_the_same_winners_and_scores(monkeypatch):
    monkeypatch.setattr(device_module, "CHUNK_BYTES", 4 * 90 * 700)  # several chunks, the last one short
    ours, theirs = searches()
    for a, b in zip(ours.nearest(vectors()), theirs.nearest(vectors()), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(ours._two_least(vectors(), None), theirs._two_least(vectors(), None), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    nodes = np.array([5, 8, 70])
    assert (ours.among(nodes).nearest(vectors())[0] == theirs.among(nodes).nearest(vectors())[0]).all()


def test_near_ties_are_decided_in_float64_too():
    ours, theirs = searches()
    nodes = ours._centred + ours._centre
    pairs = np.random.default_rng(2).integers(0, 90, (2000, 2))
    x = ((nodes[pairs[:, 0]] + nodes[pairs[:, 1]]) / 2).astype(np.float32)
    assert (ours.nearest(x)[0] == theirs.nearest(x)[0]).all()


@pytest.mark.parametrize("options", [{}, {"search": "local"}, {"schedule": "multi_resolution"}, {"batch_rows": 900}])
def test_a_map_trained_through_torch_is_the_same_byte_for_byte(monkeypatch, options):
    expected = BatchSOM(12, 10, epochs=6, device="cpu", **options).fit(vectors()).weights_
    monkeypatch.setattr(som_module, "WinnerSearch", lambda *arguments: DeviceSearch(*arguments, CPU))
    som = BatchSOM(12, 10, epochs=6, device="cpu", **options).fit(vectors())
    assert isinstance(som._search, DeviceSearch)
    assert som.weights_.tobytes() == expected.tobytes()


def test_products_are_float32_whatever_the_process_allows():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with device_module._whole_float32():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_blocks_stay_on_the_device_while_there_is_room():
    kept, block = Resident(CPU), np.ones((4, 2), np.float32)
    assert kept.put((0,), block).data_ptr() == block.ctypes.data  # on the CPU there is nothing to move
    kept._room = 40
    first = kept.put((0,), block)
    assert kept.put((0,), np.zeros((4, 2), np.float32)) is first
    assert kept.put((1,), block) is not kept.put((1,), block)  # the second block found no room


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick("auto") == pick("cpu") == CPU
    with pytest.raises(UserError, match="sees no GPU"):
        pick("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("options", [{}, {"search": "local"}, {"schedule": "multi_resolution"}, {"batch_rows": 9000}])
def test_a_gpu_trains_the_same_map_byte_for_byte(options):
    x = vectors(30_000, 64)
    maps = [BatchSOM(24, 24, epochs=8, device=device, **options).fit(x).weights_ for device in ("cpu", "cuda")]
    assert maps[0].tobytes() == maps[1].tobytes()
