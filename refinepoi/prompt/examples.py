"""Some prompts to read: a short, a middling and the longest one, with what they show and what the budget took away."""

import numpy as np

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.prompt.pieces import token_count

FILE = "examples.md"
AT = (0.1, 0.5, 1.0)  # quantiles of the length
COLUMNS = (
    "prompts", "tokens_mean", "tokens_max", "visits_mean", "candidates_mean",
    "dropped_visits", "dropped_candidates", "prompts_shortened",
)  # fmt: skip


def summary(prompts: Prompts) -> str:
    """A table of the splits: lengths in words and ID tokens, what is shown, what was dropped."""
    head = " | ".join(["split", *(name.replace("_", " ") for name in COLUMNS)])
    rows = [
        " | ".join([split, *(f"{row[name]:g}" for name in COLUMNS)]) for split, row in prompts.facts["shown"].items()
    ]
    return "\n".join([f"| {head} |", "|---|" + "---:|" * len(COLUMNS), *(f"| {row} |" for row in rows)])


def examples(prompts: Prompts) -> str:
    """Markdown: the summary, then prompts of the last split there is, each with its answer. Empty without prompts."""
    if prompts.table.height == 0:
        return ""
    table = prompts.table.join(prompts.layout, on="query", how="left", maintain_order="left")
    split = int(table["split"].to_numpy().max())
    table = table.filter(table["split"] == split)
    lengths = np.array([token_count(text) for text in table["prompt"]])
    order = np.argsort(lengths, kind="stable")
    chosen = dict.fromkeys(int(order[round(share * (len(order) - 1))]) for share in AT)
    parts = ["# Prompts", "", f"{_settings(prompts)}", "", summary(prompts), ""]
    for row in table[list(chosen)].iter_rows(named=True):
        lost = [f"{row[f'dropped_{what}']} {what}" for what in ("visits", "candidates") if row[f"dropped_{what}"]]
        parts += [
            f"## Query {row['query']}, {SPLITS[split]}: {token_count(row['prompt'])} tokens",
            "",
            f"{row['visits']} visits, {row['candidates']} candidates; dropped: {', '.join(lost) or 'nothing'}.",
            "",
            "```text",
            row["prompt"],
            "```",
            "",
            f"Answer: `{row['answer']}`",
            "",
        ]
    return "\n".join(parts)


def _settings(prompts: Prompts) -> str:
    facts = prompts.facts
    return (
        f"Template {facts['template']}, budget {facts['budget']} tokens, memory {facts['memory']['policy']}, "
        f"history {facts['history']}, target time {facts['target_time']}. Tokens are words and ID tokens here; what a "
        f"pretrained model's tokenizer counts, and what that costs, stands in the facts of the policy."
    )
