"""Supervised fine-tuning: our stage's training loop beside a bare PyTorch loop over the same model and batches.

    OMP_NUM_THREADS=1 python benchmarks/sft.py                  micro, tiny; two minutes
    OMP_NUM_THREADS=1 python benchmarks/sft.py --models small   about 20 M parameters; some minutes

Ours is `AnswerTrainer` as the stage builds it, with the `Watch` that logs every 10 steps (validation and checkpoints
outside the timed steps: a bare loop has none). The bare loop reads the same collated parts in the same order: forward,
our loss, backward, clip, AdamW, schedule, and nothing else; it does not even collate. Both take the same steps from the
same weights, one after the other, ROUNDS times. The cost of a step is its least process time (CPU seconds, one thread)
over the rounds, the first WARM steps left out; both end with the same losses. Writes benchmarks/results/sft.json.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from refinepoi.artifacts import prompts as tables
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.seeding import seed_torch
from refinepoi.core.stage import Context
from refinepoi.core.tracking import StageLog
from refinepoi.experiment import Experiment
from refinepoi.launching.composition import check
from refinepoi.model.load import LanguageModel, build
from refinepoi.sft.data import Collator, Examples, plan_batches
from refinepoi.sft.loss import answer_loss
from refinepoi.sft.spec import TrainSft
from refinepoi.sft.train import _rename
from refinepoi.sft.trainer import AnswerTrainer, Parts, settings
from refinepoi.training.validation import Validation
from refinepoi.training.watch import Memory, Rhythm, Watch

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "sft.json"
STEPS, WARM, ROUNDS, BATCH = 12, 2, 4, 16
Seconds = npt.NDArray[np.float64]
PLACES = SemanticIds(np.arange(4, dtype=np.int32).reshape(4, 1), ((2, 2),), "nearest_free")
WORDS, PROMPT, ANSWER = 400, (120, 200), 21
"""Vocabulary, shortest and longest prompt, length of an answer: what evidence prompts of the city come to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["micro", "tiny"])
    parser.add_argument("--micro-batch", type=int, default=BATCH)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.models:
        row = measure(name, options.micro_batch)
        rows.append(row)
        print(json.dumps(row), flush=True)
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    rows += [row for row in known if row["model"] not in options.models]
    RESULTS.write_text(json.dumps({"steps": STEPS, "rounds": ROUNDS, "rows": rows}, indent=1), encoding="utf-8")


def measure(name: str, most: int) -> dict[str, Any]:
    composed = check([f"model={name}", "runtime.device=cpu", "runtime.progress=false"], multirun=False)
    settled = composed.jobs[0].experiment
    spec, model_spec, examples = settled.sft, settled.model, synthetic()
    if not isinstance(spec, TrainSft):
        raise TypeError("sft=default trains")
    plan = plan_batches(examples.lengths(), BATCH, 99, 0, "benchmark")[:STEPS]
    ours, bare, losses = [], [], {}
    for _ in range(ROUNDS):
        language = build(model_spec, prompts(), PLACES)
        seconds, losses["ours"] = run_ours(language, settled, Parts(plan, Collator(examples, 0), most))
        ours.append(seconds)
        language = build(model_spec, prompts(), PLACES)
        seconds, losses["bare"] = run_bare(language, spec, Parts(plan, Collator(examples, 0), most))
        bare.append(seconds)
    tokens = int(examples.lengths()[np.concatenate(plan[WARM:])].sum())
    ours_s, bare_s = (float(np.min(rounds, axis=0)[WARM:].sum()) for rounds in (ours, bare))
    steps = STEPS - WARM
    return {
        "model": name,
        "parameters": sum(p.numel() for p in language.model.parameters()),
        "micro_batch": most,
        "ours_ms_per_step": round(1e3 * ours_s / steps, 1),
        "bare_ms_per_step": round(1e3 * bare_s / steps, 1),
        "ratio": round(ours_s / bare_s, 3),
        "tokens_per_cpu_second": round(tokens / ours_s),
        "loss_difference": abs(losses["ours"] - losses["bare"]),
    }


def run_ours(language: LanguageModel, settled: Experiment, parts: Parts) -> tuple[Seconds, float]:
    """CPU seconds of each step, and the mean loss of the first logged steps."""
    with tempfile.TemporaryDirectory() as name:
        spec: Any = settled.sft
        context = Context(Path(name), settled.runtime, StageLog("train_sft"), "train_sft")
        steps = len(parts.plan)
        rhythm = Rhythm(steps, 10**9, 10**9)
        memory = Memory(validation=[{"step": 0}])  # as after the first validation
        watch = Watch(context, Path(name), rhythm, Unasked(), lambda _: None, _rename, memory)
        ends: list[float] = []
        # in place of the validation of the last step
        watch.on_step_end = lambda *_, **__: ends.append(time.process_time())  # type: ignore[method-assign]
        trainer = AnswerTrainer(
            language, settings(spec, spec.answers, parts, Path(name), cpu=True), parts, answer_loss, watch
        )
        seed_torch(0)
        start = time.process_time()
        trainer.train()
    return np.diff([start, *ends]), next(row["loss"] for row in context.log.curve if "loss" in row)


def run_bare(language: LanguageModel, spec: TrainSft, parts: Parts) -> tuple[Seconds, float]:
    from transformers import get_scheduler

    model, phase, steps = language.model, spec.answers, len(parts.plan)
    collated = [parts[number] for number in range(len(parts))]
    model.train()
    seed_torch(0)
    ends = [time.process_time()]
    biases = [p for n, p in model.named_parameters() if "norm" in n or n.endswith("bias")]
    known = set(map(id, biases))
    matrices = [p for p in model.parameters() if id(p) not in known]
    groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=phase.learning_rate, betas=(0.9, spec.beta2))
    schedule = get_scheduler(phase.schedule, optimizer, round(phase.warmup * steps), steps)
    losses = []
    for step in range(steps):
        total = torch.zeros(())
        for number in range(step * parts.parts, (step + 1) * parts.parts):
            loss = answer_loss(model, collated[number])
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(total)
        ends.append(time.process_time())
    return np.diff(ends), float(torch.stack(losses[: spec.log_every]).mean())


class Unasked(Validation):
    """No validation queries: the rhythm never asks for them here."""

    def __init__(self) -> None:
        super().__init__([], np.empty(0, np.int64), None, 1, 1)  # type: ignore[arg-type]


def synthetic() -> Examples:
    draw = np.random.default_rng(0)
    questions = [draw.integers(4, WORDS, draw.integers(*PROMPT)).tolist() for _ in range(512)]
    answers = [draw.integers(4, WORDS, ANSWER).tolist() for _ in range(512)]
    return Examples(questions, answers, [[1.0] * ANSWER for _ in range(512)])


def prompts() -> Prompts:
    table, streams = pl.DataFrame(schema=tables.TABLE), pl.DataFrame(schema=tables.STREAMS)
    facts = {"budget": PROMPT[1], "longest_answer": ANSWER}
    return Prompts(table, streams, tuple(f"w{i:03}" for i in range(WORDS)), PLACES.tokens, 10, facts)


if __name__ == "__main__":
    main()
