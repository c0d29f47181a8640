"""The quality report as text: a table for the console, and quality.md with every level and the places held out."""

from collections.abc import Callable
from typing import Any

from refinepoi.quantizer.quality import Report

NAMES = {"residual_kmeans": "residual k-means", "rqvae": "RQ-VAE"}
Cell = tuple[str, Callable[[Report], Any], str]


def _level(key: str, level: int = 0) -> Callable[[Report], Any]:
    return lambda report: report["levels"][level][key]


def _prefix(key: str, depth: int) -> Callable[[Report], Any]:
    return lambda report: report["prefixes"][depth].get(key)


SHORT: tuple[Cell, ...] = (
    ("collide", lambda r: r["ids"]["collision_rate_before"], "{:.1%}"),
    ("after", lambda r: r["ids"]["collision_rate"], "{:.1%}"),
    ("left", lambda r: (r["held_out"] or r)["levels"][-1]["unexplained_variance"], "{:.3f}"),
    ("used", lambda r: f"{r['levels'][0]['used_cells']}/{r['levels'][0]['cells']}", "{}"),
    ("even", _level("perplexity"), "{:.0f}"),
    ("topo", _level("topographic_error"), "{:.3f}"),
    ("trust", _level("trustworthiness"), "{:.3f}"),
    ("kept", _level("neighbourhood_preservation"), "{:.3f}"),
    ("NICC 1", _prefix("nicc", 0), "{:.2f}"),
    ("NICC", _prefix("nicc", -1), "{:.2f}"),
    ("NICS 1", _prefix("nics", 0), "{:.2f}"),
    ("NICS", _prefix("nics", -1), "{:.2f}"),
    ("pure", _prefix("purity", 0), "{:.2f}"),
    ("km", _prefix("kilometres", 0), "{:.2f}"),
)
LEVELS: tuple[Cell, ...] = (
    ("grid", lambda r: r["grid"], "{}"),
    ("quantization error", lambda r: r["quantization_error"], "{:.4f}"),
    ("unexplained variance", lambda r: r["unexplained_variance"], "{:.4f}"),
    ("topographic error", lambda r: r["topographic_error"], "{:.4f}"),
    ("trustworthiness", lambda r: r["trustworthiness"], "{:.4f}"),
    ("preservation", lambda r: r["neighbourhood_preservation"], "{:.4f}"),
    ("used cells", lambda r: r["used_cells"], "{}"),
    ("perplexity", lambda r: r["perplexity"], "{:.1f}"),
    ("places a cell: min, quartiles, 90 %, max", lambda r: _quantiles(r["buckets"]), "{}"),
)
PREFIXES: tuple[Cell, ...] = (
    ("in use", lambda r: r["prefixes"], "{}"),
    ("places a prefix: min, quartiles, 90 %, max", lambda r: _quantiles(r["buckets"]), "{}"),
    ("category purity", lambda r: _against(r["purity"], r["purity_random"], "{:.3f}"), "{}"),
    ("median km", lambda r: _against(r["kilometres"], r["kilometres_random"], "{:.2f}"), "{}"),
    ("neighboured", lambda r: r["neighboured"], "{:.1%}"),
    ("NICC", lambda r: r["nicc"], "{:.3f}"),
    ("NICS", lambda r: r["nics"], "{:.3f}"),
)
LEGEND = """\
collide, after: places that share their ID before and after the policy; left: unexplained variance of whole IDs, on
places held out if there are any; used, even: level-1 cells in use and how many evenly used ones that is like; topo,
trust, kept: topographic error, trustworthiness and neighbourhood preservation of level 1; NICC, NICS: likeness of ID
neighbours by category and by vector over chance, of level 1 and of whole IDs; pure, km: of level-1 prefixes, share of
the commonest category and median distance."""


def quality_text(report: Report) -> str:
    """Markdown. What stands before the first second-level heading is for the console."""
    named = {report["quantizer"]: report, **{NAMES.get(k, k): v for k, v in report["beside"].items()}}
    parts = [
        f"# Quality of the semantic IDs: {report['quantizer']}, {report['ids']['pois']:,} places",
        table("", named, SHORT),
        "\n".join(f"- {line}" for line in [f"WARNING {w}" for w in report["warnings"]] + report["findings"]),
        f"## How to read it\n\n{LEGEND}\n\n{_fine_print(report)}",
    ]
    for name, figures in named.items():
        parts.append(f"## {name}\n\n{_both(figures)}")
        held_out = figures["held_out"]
        if held_out:
            how = "of a second fit without them" if held_out["second_fit"] else "not in training"
            rate = held_out["ids"]["collision_rate_before"]
            parts.append(
                f"### {name}: {held_out['places']:,} places held out\n\nCodes {how}, before the policy: "
                f"{rate:.1%} of them share their ID.\n\n{_both(held_out)}"
            )
    return "\n\n".join(part for part in parts if part) + "\n"


def table(corner: str, rows: dict[str, Report], cells: tuple[Cell, ...]) -> str:
    """A Markdown table whose columns are aligned in plain text too; `-` where a figure does not exist."""
    lines = [[corner, *(title for title, _, _ in cells)]]
    for name, report in rows.items():
        values = [(get(report), form) for _, get, form in cells]
        lines.append([name, *("-" if value is None else form.format(value) for value, form in values)])
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * wide[0], *("-" * (width - 1) + ":" for width in wide[1:])]
    text = []
    for line in (lines[0], rule, *lines[1:]):
        first, *rest = zip(line, wide, strict=True)
        text.append("| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]) + " |")
    return "\n".join(text)


def _both(figures: Report) -> str:
    depths = {f"level {n}": level for n, level in enumerate(figures["levels"], 1)}
    last = len(figures["prefixes"])
    prefixes = {"whole ID" if n == last else f"level 1-{n}" if n > 1 else "level 1": prefix
                for n, prefix in enumerate(figures["prefixes"], 1)}  # fmt: skip
    return table("as encoded", depths, LEVELS) + "\n\n" + table("same prefix", prefixes, PREFIXES)


def _fine_print(report: Report) -> str:
    first = report["levels"][0]
    return (
        f"Topographic error counts {first['topographic_neighbours']} neighbours. Trustworthiness and neighbourhood "
        f"preservation: {first['neighbours']} neighbours among {first['neighbourhood_rows']:,} places. Purity and "
        "kilometres stand against shuffled categories and random pairs."
    )


def _quantiles(buckets: dict[str, float]) -> str:
    return " ".join(f"{value:g}" for value in buckets.values())


def _against(value: float | None, chance: float | None, form: str) -> str:
    return " / ".join("-" if v is None else form.format(v) for v in (value, chance))
