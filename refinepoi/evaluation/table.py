"""The table of a run as text: aligned Markdown, for the console, the run folder and the README.

The best of each column bears a `*`; under the table stand the number of samples and the protocol, since a number
without them means nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

MODELS = ("policy", "warm_start")
SAID = ("dataset", "split", "samples", "history", "target_time", "catalogue", "ties", "intervals", "metrics_version")
FIRST = "Acc@1"


def metrics_table(content: Mapping[str, Any]) -> str:
    """Methods x metrics on test, what the policy gains, and the protocol. content: that of `metrics.json`."""
    methods: Mapping[str, Any] = content["methods"]
    if not methods:
        return "no test samples"
    names = order_of(methods)
    metrics = metric_names(methods[names[0]])
    lengths = content["protocol"].get("list_lengths", {})
    columns = [[_number(methods[n][m]) for n in names] for m in metrics]
    ranges = [_range(methods[n].get(f"{FIRST}_interval")) for n in names]
    validation = content["validation"]["methods"]
    rates = [[_rate(methods[n][r]) for n in names] for r in ("invalid_rate", "duplicate_rate")]
    head = ["test", *metrics, "invalid", "repeated", "list"]
    body = [names, *(_mark_best(c) for c in columns), *rates, [str(lengths.get(n) or "all") for n in names]]
    if FIRST in metrics:
        place = head.index(FIRST) + 1
        head.insert(place, "interval")
        body.insert(place, ranges)
    if validation:
        head.append("val. MRR")
        body.append(_mark_best([_number(validation[n]["MRR"]) for n in names]))
    counts = f"n = {content['samples']} test, {content['validation']['samples']} validation; * best of its column"
    said = [*_paired_lines(content.get("paired", {})), *_reasoning_lines(content.get("reasoning", {}))]
    below = [counts, *said, _protocol_line(content["protocol"])]
    return "\n".join([*_markdown(head, body), "", *below])


def strata_table(content: Mapping[str, Any], metric: str = FIRST) -> str:
    """One metric by stratum, for the models and the methods they are compared with."""
    compared = [name.split(" - ", 1)[1] for name in content.get("paired", {})]
    methods = list(dict.fromkeys([*MODELS, *compared]))
    rows: list[list[str]] = []
    for stratum, groups in content["strata"].items():
        for label, group in sorted(groups.items(), key=lambda item: (item[1].get("range", [0.0])[0], item[0])):
            low, high = group.get("range", (None, None))
            span = "" if low is None else f"{low:.3g} to {high:.3g}"
            values = [_number(group["methods"][m].get(metric)) if m in group["methods"] else "" for m in methods]
            rows.append([stratum, label, span, str(group["samples"]), *values])
    body = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(4 + len(methods))]
    return "\n".join(_markdown([f"{metric} by", "group", "from", "n", *methods], body, text=3))


def order_of(methods: Mapping[str, Any]) -> list[str]:
    """The models, then the others from the best to the worst by MRR."""
    others = sorted((n for n in methods if n not in MODELS), key=lambda n: (-methods[n]["MRR"], n))
    return [*(n for n in MODELS if n in methods), *others]


def metric_names(values: Mapping[str, Any]) -> list[str]:
    """Acc@k by k, then MRR, MRR@k, NDCG@k: the same order whether the content was made or read."""
    names = [n for n in values if not n.endswith(("_interval", "_rate"))]
    return sorted(names, key=lambda n: (("Acc", "MRR", "NDC").index(n[:3]), int(n.partition("@")[2] or 0)))


def _paired_lines(paired: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, metrics in paired.items():
        cells = [
            f"{metric} {metrics[metric]['difference']:+.3f} {_range(metrics[metric]['interval'], '+.3f')}"
            for metric in (FIRST, "MRR@10", "MRR")
            if metric in metrics
        ]
        lines.append(f"{name} (paired): {', '.join(cells)}")
    return lines


def _reasoning_lines(reasoning: Mapping[str, Any]) -> list[str]:
    return [
        f"reasoning of {name}: {figures['tokens']:.1f} tokens, {_rate(figures['closed_by_force'])} closed by force, "
        f"{_rate(figures['without'])} of the answers without"
        for name, figures in reasoning.items()
    ]


def _protocol_line(protocol: Mapping[str, Any]) -> str:
    shown = [f"{name.replace('_', ' ')} {protocol[name]}" for name in SAID if name in protocol]
    return f"protocol: {', '.join(shown)}; MRR {protocol.get('MRR', '')}"


def _markdown(head: Sequence[str], columns: Sequence[Sequence[str]], text: int = 1) -> list[str]:
    """Aligned Markdown lines; the first `text` columns to the left, the others to the right."""
    widths = [max(len(cell) for cell in [name, *column, "--"]) for name, column in zip(head, columns, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i < text else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * w if i < text else "-" * (w - 1) + ":") for i, w in enumerate(widths)]
    return [line(head), line(rule), *(line(row) for row in zip(*columns, strict=True))]


def _mark_best(cells: list[str]) -> list[str]:
    """`*` behind the best, a blank behind the others, so that the digits stay in line. Equal as shown is equal."""
    best = max(cells)
    return [f"{cell}{'*' if cell == best and best != _number(None) else ' '}" for cell in cells]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _rate(value: float) -> str:
    return "0" if value == 0 else f"{value:.2%}" if value >= 5e-5 else f"{value:.0e}"


def _range(ends: Sequence[float] | None, form: str = ".3f") -> str:
    return "" if ends is None else f"[{ends[0]:{form}}, {ends[1]:{form}}]"
