"""Speed and memory of constrained decoding against Hugging Face's and TRL's own, and against the matrix products.

    python benchmarks/decoding.py                    every claim: about ten minutes
    python benchmarks/decoding.py --claims lists     some of them: items lists memory

One thread, process time, contenders interleaved in each repeat, medians; float32, random weights; 5,000 places on two
levels of 16x16. `items`: the ten best single places against Hugging Face's beams with `prefix_allowed_tokens_fn` (the
answers are compared too), and the share of the time that the matrix products alone would take: 2 x parameters
x tokens at the best rate that torch.mm, and oneDNN, reach on the model's own shapes in the same run. That is the work
of Hugging Face's pass, which every figure here has been held against; ours leaves some of it out (a prompt's last layer
goes on from the last token alone), so the share of what it does multiply is given beside it. Ours runs as refinepoi
builds models, with oneDNN's linear layers; Hugging Face and TRL run as they come, in the same process, which keeps
freed memory as every run of refinepoi does. `lists`: sampled lists of ten places, groups of eight, against the
generation of TRL's GRPOTrainer. `memory`: what the keys and values take, the prompts' and the lists' own, and peak
resident memory, each group size in a process of its own. Prints Markdown and writes benchmarks/results/decoding.json,
each figure with the machine and the load it was measured under.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from decoding_models import (
    LEVELS,
    after_the_last_keys,
    catalogue,
    hf_beams,
    model_of,
    parameters,
    prompts,
    trl_generation,
)
from measure import Claim, forget_peak, machine, medians, status, table
from torch import nn

from refinepoi.core.runtime import prepare_process
from refinepoi.decoding import lists as decoding_lists
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.recomputed import branches_of
from refinepoi.linear import product

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "decoding.json"
K, GROUP = 10, 8
BATCH = {"1M": 32, "5M": 8, "20M": 4}
GROUPS, PROMPTS = (1, 2, 4, 8, 16, 32, 64), 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    claims = {"items": items, "lists": lists, "memory": memory}
    parser.add_argument("--claims", nargs="*", choices=claims)
    parser.add_argument("--sizes", nargs="*", choices=BATCH, default=list(BATCH), help="models; default: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--group", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    prepare_process()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if options.group:
        print(json.dumps(bytes_of_group(options.group)))
        return
    found = [claim for name in options.claims or claims for claim in claims[name](options.sizes, options.repeats)]
    keep(found)
    print(table(found))


def keep(found: list[Claim]) -> None:
    """In the file: these claims with the machine and its load, and those measured before that were left out now."""
    facts = {"machine": machine()}
    measured = {_name(asdict(claim)): asdict(claim) | facts for claim in found}
    before = json.loads(RESULTS.read_text(encoding="utf-8"))["claims"] if RESULTS.exists() else []
    claims = [measured.pop(_name(row), row) for row in before] + [*measured.values()]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"claims": claims}, indent=1) + "\n", encoding="utf-8")


def _name(row: dict[str, Any]) -> tuple[str, str]:
    return row["what"], row["against"].partition(",")[0]


def items(sizes: list[str], repeats: int) -> list[Claim]:
    return [claim for size in sizes for length in (66, 200) for claim in item_claims(size, length, repeats)]


def item_claims(size: str, length: int, repeats: int) -> list[Claim]:
    """The ten best places of each prompt: plain beams against Hugging Face's, the exact search beside them."""
    model, trie = model_of(size, quick=True), catalogue()
    ids, mask = prompts(BATCH[size], length)
    theirs = hf_beams(model_of(size, quick=False), trie, ids, mask, K)
    runs: dict[str, Callable[[], object]] = {
        "plain": lambda: beam_items(model, trie, ids, mask, K, exact=False),
        "exact": lambda: beam_items(model, trie, ids, mask, K),
        "theirs": theirs,
    }
    multiplications = {}
    for shape in sorted({tuple(m.weight.shape) for m in model.get_decoder().modules() if isinstance(m, nn.Linear)}):
        x, weight = torch.randn(ids.numel(), shape[1]), torch.randn(shape)
        for library, run in (("torch.mm", lambda x, w: torch.mm(x, w.T)), ("oneDNN", product)):
            runs[f"{library} {shape}"] = lambda run=run, x=x, weight=weight: run(x, weight)
            multiplications[f"{library} {shape}"] = x.numel() * len(weight)
    with torch.no_grad():
        seconds = medians(runs, repeats)
        same = (beam_items(model, trie, ids, mask, K, exact=False)[0] == theirs()).all(1).double().mean()
    what = f"{size}, {length} tokens: "
    against = f"Hugging Face beams, {len(ids) / seconds['theirs']:.3g} prompts/s"
    found = [
        Claim(what + "ten best places", len(ids) / seconds["plain"], "prompts/s"),
        Claim(what + "times faster than", seconds["theirs"] / seconds["plain"], "x", against, ">= 10"),
        Claim(what + "exact search, times faster than", seconds["theirs"] / seconds["exact"], "x", against, ">= 10"),
        Claim(what + "same ten places in the same order, share of prompts", float(same), "", "Hugging Face beams"),
    ]
    work = 2 * parameters(model) * len(ids) * (length + K * (LEVELS - 1))
    done = work - 2 * after_the_last_keys(model) * len(ids) * (length - 1)
    for library in ("torch.mm", "oneDNN"):
        rate = max(2 * m / seconds[name] for name, m in multiplications.items() if name.startswith(library))
        bar = ">= 0.6" if (size, library) == ("5M", "oneDNN") else ""  # the best rate is the bound
        share, limit = work / rate / seconds["plain"], f"{library}, {rate / 1e9:.0f} GFLOP/s"
        found.append(Claim(what + "share of the matrix bound", share, "", limit, bar))
        found.append(Claim(what + "the same, of what is multiplied", share * done / work, "", limit))
    return found


def lists(sizes: list[str], repeats: int) -> list[Claim]:
    return [claim for size in sizes for claim in list_claims(size, 170, repeats)]


def list_claims(size: str, length: int, repeats: int) -> list[Claim]:
    """Eight lists of ten places for each of four prompts (GRPO's steps have more prompts, at the same cost each)."""
    model, trie = model_of(size, quick=True), catalogue()
    ids, mask = prompts(4, length)
    draws = torch.Generator().manual_seed(0)
    seconds = medians(
        {
            "ours": lambda: decode_lists(model, trie, ids, mask, K, group=GROUP, temperature=1.0, generator=draws),
            "theirs": trl_generation(model_of(size, quick=False), ids, mask, GROUP, K * LEVELS),
        },
        repeats,
    )
    what = f"{size}, {length} tokens: groups of {GROUP} lists of {K}"
    against = f"TRL's generation, {4 * GROUP / seconds['theirs']:.3g} completions/s"
    return [
        Claim(what, 4 * GROUP / seconds["ours"], "lists/s"),
        Claim(what + ", time as a share of", seconds["ours"] / seconds["theirs"], "x", against, "<= 0.333"),
    ]


def memory(sizes: list[str], repeats: int) -> list[Claim]:
    """Keys and values of groups, and what one more list of a group takes beside those of its own tokens."""
    command = [sys.executable, __file__, "--group"]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    settings = {**os.environ, "PYTHONPATH": paths}
    groups = [
        json.loads(subprocess.run([*command, str(g)], env=settings, check=True, capture_output=True, text=True).stdout)
        for g in GROUPS
    ]
    config = model_of("5M", quick=True).config
    token = 2 * 4 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    own, whole = token * (K * LEVELS - 1), token * (200 + K * LEVELS - 1)
    what, found = f"5M, 200 tokens, {PROMPTS} prompts: ", list[Claim]()
    for group, (cache, peak) in zip(GROUPS, groups, strict=True):
        of_lists = PROMPTS * group * own
        parts = f"{of_lists / 2**20:.3g} MiB of the lists' own tokens"
        found += [
            Claim(f"{what}prompts' keys and values, group of {group}", (cache - of_lists) / 2**20, "MiB", parts),
            Claim(f"{what}peak, group of {group}", peak / 2**20, "MiB"),
        ]
    slope = (groups[-1][1] - groups[-2][1]) / (GROUPS[-1] - GROUPS[-2]) / PROMPTS
    for against, each, bar in (("its own tokens", own, "<= 1.5"), ("its own and the prompt's", whole, "")):
        against = f"keys and values of {against}, {each >> 10} KiB"
        found.append(Claim(f"{what}memory of one more list, share of", slope / each, "", against, bar))
    return found


def bytes_of_group(group: int) -> tuple[int, float]:
    """Of all keys and values, and of the peak above what was resident after a group of one, which loads libraries."""
    model, trie = model_of("5M", quick=True), catalogue()
    ids, mask = prompts(PROMPTS, 200)
    draws = torch.Generator().manual_seed(0)
    decode_lists(model, trie, ids[:1], mask[:1], 2, temperature=1.0, generator=draws)
    opened: list[Any] = []

    def kept(*given: Any, room: int) -> Any:
        opened.append(branches_of(*given, room=room))
        return opened[-1]

    decoding_lists.branches_of = kept
    before = status("VmRSS")
    forget_peak()
    decode_lists(model, trie, ids, mask, K, group=group, temperature=1.0, generator=draws)
    peak = (status("VmHWM") - before) * 1024
    buffers = [part.untyped_storage() for layer in opened[0]._cache.layers for part in (layer.keys, layer.values)]
    return sum(buffer.nbytes() for buffer in buffers), peak


if __name__ == "__main__":
    main()
