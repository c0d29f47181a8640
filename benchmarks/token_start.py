"""Where the new ID tokens of a pretrained model start: on the map, at the mean of the known words, or anywhere.

    OMP_NUM_THREADS=1 python benchmarks/token_start.py WORK                     full fine-tuning, seeds 0 1 2
    OMP_NUM_THREADS=1 python benchmarks/token_start.py WORK --training lora     and with low-rank matrices

First a small Qwen3 learns English from what every installation of Python holds: the long texts (docstrings, pydoc's
reference of the language) in the source files of the standard library, NumPy and torch, in the order of their names.
What it has learned is told as the loss on held-out text, beside that of word frequencies alone. Then refinepoi
fine-tunes it on the embedded city (`WORDS`: short prompts, and no IDs relabelled, since so little English teaches no
copying), once for each start and seed; a seed draws the new rows and the batches, so starts are compared within one.
Everything lies in WORK, and what lies there is not made again. Writes benchmarks/results/token_start.json.
"""

import argparse
import ast
import json
import math
import os
import statistics
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from measure import machine
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, get_cosine_schedule_with_warmup

from refinepoi.core.store import CURVE, Store
from refinepoi.launching.composition import check
from refinepoi.pipeline import Pipeline

RESULTS = Path(__file__).parent / "results" / "token_start.json"
STARTS = ("som", "random", "mean")
CHARACTERS, LEAST = 6_000_000, 200  # of all texts; of one of them
VOCABULARY, LENGTH, BATCH, STEPS, HELD_OUT = 4096, 128, 16, 400, 128
END, PAD = "<|end|>", "<|pad|>"
SHAPE = {
    "hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
    "intermediate_size": 704, "tie_word_embeddings": True, "max_position_embeddings": 2048,
}  # fmt: skip
WORDS = [
    "model=local", "prompt=question", "goal=warm_start", "tracking=off", "dataset.protocol.train_queries=last",
    "prompt.budget=136", "prompt.memory.visits=4", "prompt.candidates=6", "prompt.counters=[]",
    "prompt.categories=false", "prompt.list_length=3", "evaluation.decoding.k=3", "evaluation.scoring.ks=[1,3]",
    "sft.answers.batch_size=8", "sft.answers.relabel=0", "sft.answers.epochs=2", "sft.eval_every=150",
    "sft.eval_queries=270", "sft.save_every=1000", "runtime.threads=1", "runtime.device=cpu", "runtime.progress=false",
]  # fmt: skip
RATE = {"full": "2e-3", "lora": "3e-3"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--training", default="full", choices=RATE)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.work.absolute() / "pretrained"
    if not (folder / "pretraining.json").exists():
        pretrain(folder)
    result = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"runs": []}
    if result.get("words") != WORDS:  # runs of other settings
        result = {"runs": []}
    result |= {"pretraining": json.loads((folder / "pretraining.json").read_text(encoding="utf-8")), "words": WORDS}
    print(json.dumps(result["pretraining"]), flush=True)
    for seed in options.seeds:
        for start in STARTS:
            run = fine_tune(folder, options.training, start, seed)
            print(json.dumps(run), flush=True)
            same = ("training", "start", "seed")
            result["runs"] = [old for old in result["runs"] if any(old[key] != run[key] for key in same)] + [run]
            RESULTS.write_text(json.dumps(result | {"machine": machine()}, indent=1) + "\n", encoding="utf-8")
    print(table([run for run in result["runs"] if run["training"] == options.training]))


def texts() -> Iterator[str]:
    """Long string literals of Python's own files and of two packages that refinepoi needs, CHARACTERS of them."""
    total = 0
    for root in (Path(sysconfig.get_path("stdlib")), Path(np.__file__).parent, Path(torch.__file__).parent):
        for file in sorted(root.rglob("*.py")):
            if {"site-packages", "test", "tests", "lib2to3"} & set(file.relative_to(root).parts):
                continue
            try:
                nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            except (SyntaxError, ValueError):  # samples of what must not be parsed
                continue
            for node in nodes:
                text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
                if len(text) >= LEAST and text.count(" ") > len(text) / 12:
                    total += len(text)
                    yield text
                    if total >= CHARACTERS:
                        return


def tokenizer_of(read: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as Qwen has it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        read, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=[END, PAD])
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=PAD)


def pretrain(folder: Path) -> None:
    """A plain transformers folder; `pretraining.json` is written last."""
    began, read = time.process_time(), list(texts())
    tokenizer = tokenizer_of(read)
    encoded = tokenizer([text + END for text in read])["input_ids"]
    flat = np.concatenate([np.array(tokens, np.int64) for tokens in encoded])
    draw = np.random.default_rng(0)
    rows = draw.permutation(flat[: len(flat) // LENGTH * LENGTH].reshape(-1, LENGTH))
    held, rows = torch.from_numpy(rows[:HELD_OUT]), torch.from_numpy(rows[HELD_OUT:])
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **SHAPE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, STEPS // 20, STEPS)
    for step in range(STEPS):
        batch = rows[torch.arange(step * BATCH, (step + 1) * BATCH) % len(rows)]
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.eval()
    with torch.no_grad():
        loss_held = statistics.fmean(float(model(input_ids=b, labels=b).loss) for b in held.split(BATCH))
    share = (torch.bincount(rows.ravel(), minlength=len(tokenizer)) + 1).double()
    frequencies = -float((share / share.sum()).log()[held[:, 1:]].mean())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    facts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "characters": sum(map(len, read)),
        "tokens_of_text": len(flat),
        "tokens_read": STEPS * BATCH * LENGTH,
        "held_out_loss": round(loss_held, 3),
        "loss_of_frequencies": round(frequencies, 3),
        "cpu_seconds": round(time.process_time() - began),
    }
    (folder / "pretraining.json").write_text(json.dumps(facts), encoding="utf-8")


def fine_tune(folder: Path, training: str, start: str, seed: int) -> dict[str, Any]:
    """One run of `refinepoi`; curve: [step, MRR over the validation queries]; loss: of training, every 10 steps."""
    began = time.process_time()
    words = [
        *WORDS, f"model.path={folder}", f"model/training={training}", f"model.id_init={start}", f"model.seed={seed}",
        f"sft.seed={seed}", f"sft.answers.learning_rate={RATE[training]}", f"runtime.store={folder.parent / 'store'}",
    ]  # fmt: skip
    experiment = check(words, multirun=False).jobs[0].experiment
    made = Pipeline(experiment, Store(Path(experiment.runtime.store), experiment.runtime)).warm_start
    policy = made.load()
    phase = policy.facts["phases"][-1]
    losses = [row["loss"] for row in json.loads((made.path / CURVE).read_text(encoding="utf-8")) if "loss" in row]
    curve = [[row["step"], round(row["MRR"], 4)] for row in phase["validation"]]
    return {
        "training": training,
        "start": start,
        "seed": seed,
        "curve": curve,
        "best": max(value for _, value in curve),
        "loss": [round(loss, 3) for loss in losses],
        "tokens_mean": policy.facts["prompts"]["splits"]["train"]["tokens_mean"],
        "cpu_seconds": round(time.process_time() - began),
    }


def table(runs: list[dict[str, Any]]) -> str:
    """Validation MRR by step and the best, means over the seeds; and the best against `mean`, seed by seed."""
    steps = [step for step, _ in runs[0]["curve"]]
    lines = [
        f"| start | {' | '.join(map(str, steps))} | best | against mean, by seed | last loss |",
        "|---" * (len(steps) + 4) + "|",
    ]
    base = {run["seed"]: run["best"] for run in runs if run["start"] == "mean"}
    for start in STARTS:
        mine = sorted((run for run in runs if run["start"] == start), key=lambda run: run["seed"])
        means = [statistics.fmean(run["curve"][n][1] for run in mine) for n in range(len(steps))]
        apart = [run["best"] - base.get(run["seed"], math.nan) for run in mine]
        cells = [*means, statistics.fmean(run["best"] for run in mine)]
        shown = [*(f"{c:.3f}" for c in cells), " ".join(f"{a:+.3f}" for a in apart)]
        shown.append(f"{statistics.fmean(statistics.fmean(run['loss'][-3:]) for run in mine):.2f}")
        lines.append(f"| {start} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
