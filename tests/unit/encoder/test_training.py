"""Resume, early stopping, interrupts and silence of the encoder's training, on the planted city."""

import json
import logging
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.runtime import Runtime
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.encoder.module import ContrastiveEncoder
from refinepoi.encoder.spec import ContrastiveSpec
from refinepoi.encoder.stage import train
from refinepoi.encoder.training import BestWeights, newest_whole

MakeSpec = Callable[..., ContrastiveSpec]
FILES = ("vectors.npy", "quality.json", "encoder.safetensors")


@dataclass
class DyingLog(StageLog):
    """A log that raises when the given epoch is logged, before that epoch's checkpoint is written."""

    last: int = 10**9
    error: BaseException = field(default_factory=lambda: RuntimeError("killed"))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        if step > self.last:
            raise self.error
        super().metrics(values, step)


@dataclass
class Bench:
    """Trains in `folder`; a folder used before is resumed from."""

    city: Trajectories
    features: Features
    runtime: Runtime

    def __call__(
        self, folder: Path, spec: ContrastiveSpec, last: int = 10**9, error: BaseException | None = None
    ) -> StageLog:
        folder.mkdir(exist_ok=True)
        log = DyingLog("train_encoder", last=last, error=error or RuntimeError("killed"))
        train(Context(folder, self.runtime, log, "train_encoder"), spec, self.features, self.city)
        return log


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training here, and test_pictures.py looks at it."""
    monkeypatch.setattr("refinepoi.encoder.pictures.draw_embedding_map", lambda *_: None)


@pytest.fixture
def bench(city: Trajectories, features: Features, runtime: Runtime) -> Bench:
    return Bench(city, features, runtime)


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in FILES)


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.ckpt"))


def test_training_brings_partners_together_and_keeps_the_best_epoch(
    bench: Bench, make_spec: MakeSpec, tmp_path: Path
) -> None:
    log = bench(tmp_path / "a", make_spec(epochs=8, patience=8))
    losses = [row["validation_loss"] for row in log.curve]
    facts = json.loads((tmp_path / "a" / "quality.json").read_text())
    assert [row["step"] for row in log.curve] == list(range(1, 9)) and min(losses) < losses[0]
    assert set(log.curve[0]) == {"step", "train_loss", "validation_loss", "alignment", "uniformity"}
    assert facts["best_epoch"] == int(np.argmin(losses)) and facts["validation_loss"] == min(losses)
    np.testing.assert_allclose(facts["alignment"], log.curve[int(np.argmin(losses))]["alignment"], rtol=1e-5)
    assert facts["covisit_recall@10"] > facts["raw_covisit_recall@10"] + 0.1


def test_weights_of_the_lowest_loss_are_kept() -> None:
    best, network = BestWeights(), torch.nn.Linear(1, 1)
    for epoch, loss in enumerate([3.0, 1.0, 2.0, float("nan"), 1.0]):
        torch.nn.init.constant_(network.weight, epoch)
        trainer = SimpleNamespace(callback_metrics={"validation_loss": torch.tensor(loss)}, current_epoch=epoch)
        best.on_validation_end(trainer, SimpleNamespace(network=network))  # type: ignore[arg-type]
    assert (best.loss, best.epoch) == (1.0, 1) and best.weights is not None and best.weights["weight"].item() == 1


@pytest.mark.parametrize("last", [0, 1, 3])
def test_an_aborted_run_ends_as_if_it_had_not_been(
    bench: Bench, make_spec: MakeSpec, tmp_path: Path, last: int
) -> None:
    spec = make_spec(epochs=5)
    whole = bench(tmp_path / "whole", spec)
    with pytest.raises(RuntimeError, match="killed"):
        bench(tmp_path / "cut", spec, last=last)
    assert len(checkpoints(tmp_path / "cut")) == min(last, 2)  # dies before the checkpoint of the epoch it logs
    torch.manual_seed(1234)  # nothing may hang on torch's global generator
    resumed = bench(tmp_path / "cut", spec)
    assert same(tmp_path / "cut", tmp_path / "whole")
    assert resumed.curve == whole.curve


def test_a_torn_checkpoint_is_left_out(
    bench: Bench, make_spec: MakeSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec(epochs=5)
    bench(tmp_path / "whole", spec)
    with pytest.raises(RuntimeError, match="killed"):
        bench(tmp_path / "cut", spec, last=3)
    older, newer = checkpoints(tmp_path / "cut")
    content = newer.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes(byte ^ 0x10 for byte in content[middle : middle + 128]) + content[middle + 128 :]
    for torn in (flipped, content[:middle], b""):
        newer.write_bytes(torn)
        with caplog.at_level(logging.WARNING, logger="refinepoi"):
            assert newest_whole(newer.parent) == older and not newer.exists()
        assert newer.name in caplog.text
        caplog.clear()
    newer.write_bytes(flipped)
    bench(tmp_path / "cut", spec)
    assert same(tmp_path / "cut", tmp_path / "whole")


@dataclass
class DiesAfterTraining(Bench):
    def __call__(self, folder: Path, spec: ContrastiveSpec, *_: object) -> StageLog:  # type: ignore[override]
        with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="after training"):
            patch.setattr("refinepoi.encoder.quality.quality_of", _die)
            super().__call__(folder, spec)
        return super().__call__(folder, spec)


def _die(*_: object) -> None:
    raise RuntimeError("after training")


@pytest.mark.parametrize("changes", [{"patience": 1, "learning_rate": 0.5, "epochs": 30}, {"epochs": 3}])
def test_a_run_that_died_after_its_last_epoch_trains_no_more(
    bench: Bench, make_spec: MakeSpec, tmp_path: Path, changes: dict[str, object]
) -> None:
    spec = make_spec(**changes)
    whole = bench(tmp_path / "whole", spec)
    assert len(whole.curve) < 30  # the first case stops early
    again = DiesAfterTraining(bench.city, bench.features, bench.runtime)(tmp_path / "cut", spec)
    assert again.curve == whole.curve and same(tmp_path / "cut", tmp_path / "whole")


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_pressed_again(
    bench: Bench, make_spec: MakeSpec, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        bench(tmp_path / "a", make_spec(), last=1, error=KeyboardInterrupt())
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "a" / "vectors.npy").exists()


def test_sigterm_ends_as_a_failure_and_can_be_resumed(bench: Bench, make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(epochs=4)
    bench(tmp_path / "whole", spec)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(DyingLog, "metrics", lambda self, values, step: signal.raise_signal(signal.SIGTERM))
        bench(tmp_path / "cut", spec)
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    assert len(checkpoints(tmp_path / "cut")) == 1  # the epoch under way was finished and kept
    bench(tmp_path / "cut", spec)
    assert same(tmp_path / "cut", tmp_path / "whole")


def test_training_is_silent_and_leaves_no_folder(
    bench: Bench,
    make_spec: MakeSpec,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SLURM_NTASKS", "2")  # a cluster job is no reason to wait for other processes
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.INFO):
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match="killed"):
            bench(tmp_path / "a", make_spec(epochs=3), last=1)
        bench(tmp_path / "a", make_spec(epochs=3))
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "") and caplog.records == []
    assert list((tmp_path / "here").iterdir()) == []
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "vectors.npy", "quality.json", "encoder.safetensors", "feature_map.json", ".work",
    }  # fmt: skip


def test_a_loss_that_is_never_finite_is_refused(bench: Bench, make_spec: MakeSpec, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder\.learning_rate: with 1e\+30"):
        bench(tmp_path / "a", make_spec(learning_rate=1e30, epochs=3))


def test_cuda_without_a_gpu_is_refused(bench: Bench, make_spec: MakeSpec, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("has a GPU")
    bench.runtime = bench.runtime.model_copy(update={"device": "cuda"})
    with pytest.raises(UserError, match=r"runtime\.device"):
        bench(tmp_path / "a", make_spec())


def test_every_parameter_moves(bench: Bench, make_spec: MakeSpec, tmp_path: Path) -> None:
    from refinepoi.encoder.network import Network, load_network

    spec = make_spec(epochs=1)
    bench(tmp_path / "a", spec)
    trained, start = load_network(tmp_path / "a"), Network((12, 24, 16, 8), spec.seed)
    for (name, after), before in zip(trained.named_parameters(), start.parameters(), strict=True):
        assert not torch.equal(after, before), name


def test_batches_depend_on_seed_epoch_and_step_alone(
    city: Trajectories, features: Features, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    from refinepoi.encoder.pairs import hold_out
    from refinepoi.encoder.stage import training_pairs

    train_pairs, held = hold_out(training_pairs(city, 24.0), 0.1, 0)
    groups = np.zeros(len(features.matrix), dtype=np.int64)

    def module(**changes: object) -> ContrastiveEncoder:
        blocks, every = list(features.blocks.values()), groups == 0
        return ContrastiveEncoder(make_spec(**changes), features.matrix, blocks, groups, every, train_pairs, held)

    one, other = module(), module()
    later = one.batch(3)
    one.batch(0)
    assert all(torch.equal(a, b) for a, b in zip(later, other.batch(3), strict=True))
    assert not torch.equal(later[0], one.batch(2)[0])
    assert not torch.equal(later[0], module(seed=8).batch(3)[0])
    singles = torch.cat([one.batch(step)[1] for step in range(one.steps)])
    counts = torch.bincount(singles[: len(singles) // 48 * 48], minlength=48)
    assert counts.min() == counts.max()  # whole rounds over the catalogue
    seen = {tuple(sorted(pair)) for step in range(one.steps) for pair in one.batch(step)[0].T.tolist()}
    assert seen <= set(zip(train_pairs.first.tolist(), train_pairs.second.tolist(), strict=True))
    monkeypatch.setattr(ContrastiveEncoder, "current_epoch", 1)
    assert not torch.equal(later[0], one.batch(3)[0])
    assert torch.equal(one.batch(3)[0], module().batch(3)[0])


def test_places_outside_training_are_never_drawn(city: Trajectories, features: Features, make_spec: MakeSpec) -> None:
    from dataclasses import replace

    import polars as pl

    from refinepoi.encoder.stage import untrained

    later = pl.when(pl.col("poi") < 40).then(pl.col("split")).otherwise(2).cast(pl.Int8)
    known = city.checkins.with_columns(split=later)
    pois = city.pois.with_columns(in_train=pl.int_range(48) < 40)
    module = untrained(make_spec(), features, replace(city, checkins=known, pois=pois))
    drawn = torch.cat([module.batch(step)[1] for step in range(module.steps)])
    assert sorted(set(drawn.tolist())) == list(range(40))


def test_feature_dropout_hides_columns_and_whole_blocks(
    city: Trajectories, features: Features, make_spec: MakeSpec
) -> None:
    from refinepoi.encoder.pairs import hold_out
    from refinepoi.encoder.stage import training_pairs

    pairs = hold_out(training_pairs(city, 24.0), 0.1, 0)
    ones = np.ones_like(features.matrix)

    def seen(**changes: object) -> torch.Tensor:
        spec = make_spec(**changes)
        groups = np.zeros(48, dtype=np.int64)
        module = ContrastiveEncoder(spec, ones, list(features.blocks.values()), groups, groups == 0, *pairs)
        module.network = torch.nn.Identity()  # type: ignore[assignment]
        return module._view(torch.arange(48).repeat(40), torch.Generator().manual_seed(0))

    rows = seen(dropout__columns=0.0, dropout__blocks=0.5)
    for start, stop in features.blocks.values():
        assert (rows[:, start:stop] == rows[:, start : start + 1]).all()
        assert 0.45 < float(rows[:, start].mean()) < 0.55
    assert 0.4 < float((rows[:, 0] == rows[:, 4]).float().mean()) < 0.6  # blocks are hidden one by one
    rows = seen(dropout__columns=0.2, dropout__blocks=0.0)
    assert set(rows.unique().tolist()) == {0.0, 1.25} and 0.97 < float(rows.mean()) < 1.03
    assert torch.equal(seen(dropout__columns=0.0, dropout__blocks=0.0), torch.ones(48 * 40, 12))


@pytest.mark.slow
def test_killed_process_resumes_to_the_same_bytes(bench: Bench, make_spec: MakeSpec, tmp_path: Path) -> None:
    """SIGKILL at two moments of a real process; each continues from its last whole epoch."""
    spec = make_spec(epochs=150, patience=150)
    bench(tmp_path / "whole", spec)
    folder = tmp_path / "inputs"
    for name, artifact in (("city", bench.city), ("features", bench.features)):
        (folder / name).mkdir(parents=True)
        artifact.save(folder / name)
    (folder / "spec.json").write_text(spec.model_dump_json())
    (folder / "runtime.json").write_text(bench.runtime.model_dump_json())
    cut = tmp_path / "cut"
    cut.mkdir()
    for epochs in (2, 9):
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(cut)])
        while process.poll() is None and not any(int(path.stem[-5:]) >= epochs for path in checkpoints(cut)):
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert checkpoints(cut) and not (cut / "vectors.npy").exists()
    bench(cut, spec)
    assert same(cut, tmp_path / "whole")


CHILD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from refinepoi.artifacts.features import Features
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.runtime import Runtime
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.encoder.spec import ContrastiveSpec
from refinepoi.encoder.stage import train
inputs, cut = Path(sys.argv[1]), Path(sys.argv[2])
spec = ContrastiveSpec.model_validate_json((inputs / "spec.json").read_text())
runtime = Runtime.model_validate_json((inputs / "runtime.json").read_text())
context = Context(cut, runtime, StageLog("train_encoder"), "train_encoder")
train(context, spec, Features.load(inputs / "features"), Trajectories.load(inputs / "city"))
"""
