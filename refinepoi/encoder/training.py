"""Fitting with a Lightning Trainer: early stopping, best weights, checkpoints of whole epochs, resume, a calm console.

A checkpoint holds all that a resumed run needs, the best weights and the curve so far included, so one whole file is
enough; the two latest are kept, and a torn one is set aside for the one before it.
"""

import logging
import signal
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities import disable_possible_user_warnings
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from refinepoi.core.errors import UserError
from refinepoi.core.stage import Context, package_digest
from refinepoi.encoder.module import ContrastiveEncoder

log = logging.getLogger("refinepoi")
CURVE = ("train_loss", "validation_loss", "alignment", "uniformity")


def fit(module: ContrastiveEncoder, context: Context) -> dict[str, float]:
    """Train `module` in place and leave the best weights in it. Returns {best_epoch, epochs, validation_loss}.

    Continues from the newest whole checkpoint in `context.work`. Raises UserError where no loss was finite.
    """
    folder = context.work / f"checkpoints-{package_digest(Path(__file__).parent)}"  # other code: not resumed from
    best, curve = BestWeights(), Curve(context, module.spec.epochs)
    stopping = Stopping(monitor="validation_loss", patience=module.spec.patience, check_on_train_epoch_end=True)
    keeping = ModelCheckpoint(
        folder, filename="{epoch:05d}", monitor="epoch", mode="max", save_top_k=2, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    with quiet():
        trainer = pl.Trainer(
            accelerator="gpu" if _device(context) == "cuda" else "cpu",
            devices=1,
            plugins=[LightningEnvironment()],  # one process, inside a Slurm job too
            max_epochs=module.spec.epochs,
            callbacks=[best, curve, stopping, keeping],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=context.work,
        )
        with curve, interruptible():
            trainer.fit(module, ckpt_path=newest_whole(folder), weights_only=True)
    if best.weights is None:
        raise UserError(
            f"encoder.learning_rate: with {module.spec.learning_rate} the validation loss was never finite; lower it"
        )
    module.network.load_state_dict(best.weights)
    module.cpu().eval()
    return {"best_epoch": float(best.epoch), "epochs": float(len(curve.rows)), "validation_loss": best.loss}


class BestWeights(Callback):
    """The weights of the epoch of the lowest validation loss. They travel in the checkpoint."""

    def __init__(self) -> None:
        self.loss, self.epoch = float("inf"), -1
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            network: torch.nn.Module = pl_module.network  # type: ignore[assignment]
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.epoch, self.weights = state_dict["loss"], state_dict["epoch"], state_dict["weights"]


class Curve(Callback):
    """One row an epoch, to the stage's log and its progress bar. A resumed run logs the earlier rows again first."""

    def __init__(self, context: Context, epochs: int) -> None:
        self.context, self.rows = context, list[dict[str, float]]()
        self.bar = context.progress(total=epochs, unit="epoch")

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add({name: float(trainer.callback_metrics[name]) for name in CURVE})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for row in state_dict["rows"]:
            self._add(row)

    def _add(self, row: dict[str, float]) -> None:
        self.rows.append(row)
        self.context.log.metrics(row, step=len(self.rows))
        self.bar.set_postfix_str(f"validation loss {row['validation_loss']:.3f}", refresh=False)
        self.bar.update()


class Stopping(EarlyStopping):
    """Early stopping that stays stopped: a run that died after its last epoch must not train one more."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint whose archive is intact; torn ones are removed and named in the log."""
    for path in sorted(folder.glob("*.ckpt"), reverse=True):
        try:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is None:
                    return path
        except (zipfile.BadZipFile, OSError, EOFError):
            pass
        log.warning("encoder checkpoint %s is torn: left out, resuming from the one before it", path.name)
        path.unlink()
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice off: its info lines, guesses about our settings, and two warnings that are not ours."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        disable_possible_user_warnings()
        for message, category in (
            ("Checkpoint directory .* exists and is not empty", UserWarning),  # a resumed run finds its own files
            (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),  # Lightning 2.6 with torch 2.13
        ):
            warnings.filterwarnings("ignore", message=message, category=category)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches the caller as KeyboardInterrupt, and SIGTERM ends the program as a failure (128 + 15).

    Left to itself Lightning raises SystemExit(1) for the first and ignores further ones, and for the second SystemExit
    without a code, which a batch system takes for success.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        if isinstance(error, SIGTERMException):
            raise SystemExit(128 + signal.SIGTERM) from error
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _device(context: Context) -> str:
    if context.runtime.device == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device: cuda was asked for and torch sees no GPU; use runtime.device=cpu or auto")
    return "cuda" if context.runtime.device != "cpu" and torch.cuda.is_available() else "cpu"
