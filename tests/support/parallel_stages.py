"""Stages for tests of several processes: they use the Context and the ranks, and no model."""

import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from refinepoi.core import interruption
from refinepoi.core.errors import UserError
from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Context, stage


@dataclass(frozen=True)
class Text:
    text: str

    def save(self, folder: Path) -> None:
        (folder / "text.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls((folder / "text.txt").read_text())


class Say(Spec):
    word: str


@stage(version=1, makes=Text, name="say", parallel=True)
def say(context: Context, spec: Say, before: Artifact[Text]) -> None:
    from refinepoi.training import ranks

    squares = ranks.spread(lambda rows: np.stack([rows, rows**2], 1), 5)
    assert ranks.anyone(context.rank == 1) and not ranks.anyone(False)
    context.log.metrics({"rank": context.rank, "loss": 0.5}, step=7)
    with context.progress(total=3, unit="step") as bar:
        bar.update(3)
        bar.set_postfix({"MRR": "0.5"})
    logging.getLogger("refinepoi").warning("rank %d speaks", context.rank)
    context.cost["tokens"] = 12.0
    threads = os.environ["OMP_NUM_THREADS"]
    if context.main:
        text = f"{before.load().text} {spec.word} {context.processes} {squares[:, 1].tolist()} {threads}"
        Text(text).save(context.folder)


@stage(version=1, makes=Text, name="fail", parallel=True)
def fail(context: Context, spec: Say) -> None:
    from refinepoi.training import ranks

    if context.rank == 1:
        print("the last words")
        if spec.word == "user":
            raise UserError("sft.batch_size: too small")
        if spec.word == "killed":
            print("", end="", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("broken")
    ranks.wait()  # for ever: the other one never comes


@stage(version=1, makes=Text, name="linger", parallel=True)
def linger(context: Context, spec: Say) -> None:
    """Works until it is asked to stop; then every rank leaves a word and goes."""
    from refinepoi.training import ranks

    with interruption.saving():
        (context.work / f"started-{context.rank}").write_text(str(os.getpid()))
        while not ranks.anyone(interruption.asked()):
            time.sleep(0.05)
        (context.work / f"saved-{context.rank}").touch()
        interruption.leave()
