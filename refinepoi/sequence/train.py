"""Train on the training split, keep the weights of the best validation MRR, rank the catalogue for held-out queries."""

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import Tensor

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.seeding import seed_torch
from refinepoi.core.stage import Context
from refinepoi.encoder.training import interruptible, quiet
from refinepoi.sequence.module import SequenceModule
from refinepoi.sequence.predictions import as_predictions
from refinepoi.sequence.spec import GruSpec, SasRecSpec
from refinepoi.sequence.visits import Stream, query_pieces, training_pieces


class Best(Callback):
    """The weights of the epoch of the best validation MRR, and the curve."""

    def __init__(self, context: Context, epochs: int) -> None:
        self.context, self.mrr, self.epoch = context, -1.0, -1
        self.weights: dict[str, Tensor] = {}
        self.bar = context.progress(total=epochs, unit="epoch")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        row = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "validation_mrr")}
        self.context.log.metrics(row, trainer.current_epoch + 1)
        self.bar.set_postfix_str(f"validation MRR {row['validation_mrr']:.3f}", refresh=False)
        self.bar.update()
        if row["validation_mrr"] > self.mrr:
            self.mrr, self.epoch = row["validation_mrr"], trainer.current_epoch
            self.weights = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}


def train(context: Context, spec: SasRecSpec | GruSpec, evidence: Evidence, trajectories: Trajectories) -> Predictions:
    stream = Stream(trajectories, evidence.facts["target_time"] == "known")
    held = {split: trajectories.query_rows(split) for split in SPLITS[1:]}
    pieces = {s: query_pieces(stream, trajectories, evidence, rows, spec.length) for s, rows in held.items()}
    targets = trajectories.queries["target"].to_numpy().astype(np.int64)
    learned = training_pieces(stream, spec.length)
    if not len(learned):
        raise DataError(f"sequence={spec.kind}: no user has two training visits; give other data, or sequence=off")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        seed_torch(spec.seed)
        pois = trajectories.pois.height
        module = SequenceModule(spec, pois, learned, pieces["validation"], targets[held["validation"]])
        best = fit(context, module)
    module.load_state_dict(best.weights)
    module.eval()
    rows = np.concatenate(list(held.values()))
    scores = np.concatenate([module.scores(pieces[split]) for split in held])
    facts = {
        "ranks_over": "whole catalogue; ties at the expected rank",
        "best_epoch": best.epoch + 1,
        "validation_mrr": round(best.mrr, 6),
        "parameters": sum(p.numel() for p in module.network.parameters()),
    }
    return as_predictions(spec.kind, spec.kept, rows, targets[rows], scores, facts)


def fit(context: Context, module: SequenceModule) -> Best:
    best = Best(context, module.spec.epochs)
    stopping = EarlyStopping("validation_mrr", mode="max", patience=module.spec.patience, check_on_train_epoch_end=True)
    cuda = context.runtime.device != "cpu" and torch.cuda.is_available()
    with quiet(), interruptible(), best.bar:
        lightning.Trainer(
            accelerator="gpu" if cuda else "cpu",
            devices=1,
            plugins=[LightningEnvironment()],
            max_epochs=module.spec.epochs,
            callbacks=[best, stopping],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            gradient_clip_val=1.0,
            default_root_dir=context.work,
        ).fit(module)
    module.cpu()
    return best
