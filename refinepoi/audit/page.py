"""The audit on one page: HTML that needs no other file. Text from the data is escaped and never becomes markup."""

import base64
from html import escape
from typing import Any

from refinepoi.artifacts.trajectories import SPLITS

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;max-width:1080px;margin:24px auto;padding:0 16px;color:#222}
h1{font-size:22px;margin:0}h2{font-size:15px;margin:22px 0 6px}p{margin:4px 0}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}
.passed{color:#1a7f37}.failed{color:#fff;background:#c0271d;font-weight:600}.not{color:#777}
.two{display:flex;gap:16px;flex-wrap:wrap}.two>*{flex:1;min-width:420px}
"""


def page(content: dict[str, Any], pictures: dict[str, bytes]) -> str:
    """The whole page of `Audit.content`."""
    protocol = content["protocol"]
    tests = content["tests"]
    failed = sum(test["status"] == "failed" for test in tests)
    passed = sum(test["status"] == "passed" for test in tests)
    verdict = f"{failed} of {len(tests)} leak tests FAILED" if failed else f"all {passed} leak tests passed"
    body = [
        f"<h1>Data audit: {escape(str(protocol['dataset']))}</h1>",
        f"<p>{escape(str(protocol['split']))} split, samples by the rule of {escape(str(protocol['samples']))}; "
        f"<b class='{'failed' if failed else 'passed'}'>{verdict}</b></p>",
        "<h2>Leak tests</h2>",
        table(
            ["test", "", "found"],
            [[t["name"], mark(t["status"]), t["found"]] for t in tests],
        ),
        "<div class='two'><div><h2>Counts after each step</h2>",
        table(["step", "check-ins", "users", "places"], rows(content["steps"], "step", "checkins", "users", "pois")),
        "</div><div><h2>Splits</h2>",
        table(
            ["", "check-ins", "users", "places", "trajectories", "samples"],
            [
                [name, *(content["splits"][name][k] for k in ("checkins", "users", "pois", "trajectories", "samples"))]
                for name in SPLITS
                if name in content["splits"]
            ],
        ),
        table(["", "first (UTC)", "last (UTC)", "days"], rows(content["ranges"], "split", "first", "last", "days")),
        "</div></div>",
        image(pictures["maps"], "Check-ins of each split on the map"),
        f"<div class='two'>{image(pictures['hours'], 'By hour')}{image(pictures['days'], 'By week')}</div>",
        "<div class='two'><div><h2>Share of targets the user has visited before</h2>",
        table(
            ["", "samples", "any earlier visit", "training or this trajectory", "same as the last place"],
            rows(content["targets"], "split", "samples", "all", "train_prefix", "same_as_last"),
        ),
        "<h2>Left out: not seen in training</h2>",
        table(["", "check-ins", "users", "places"], rows(content["unseen"], "split", "checkins", "users", "pois")),
        "</div><div><h2>To look at</h2>",
        table(["", "count", "what is counted"], rows(content["remarks"], "name", "count", "meaning")),
        "</div></div>",
        "<h2>What cleaning found</h2>",
        table(["kind", "reason", "rows"], content["cleaning"]),
        "<h2>Protocol</h2>",
        table(["setting", "value"], [[key, str(value)] for key, value in protocol.items()]),
    ]
    title = f"<title>Data audit: {escape(str(protocol['dataset']))}</title>"
    return f"<!doctype html><html lang='en'><meta charset='utf-8'>{title}<style>{STYLE}</style>{''.join(body)}</html>"


class Markup(str):
    """Text that is markup already."""


def mark(status: str) -> Markup:
    return Markup(f"<span class='{escape(status.split()[0])}'>{escape(status)}</span>")


def image(png: bytes, what: str) -> str:
    return f"<div><img alt='{escape(what)}' src='data:image/png;base64,{base64.b64encode(png).decode()}'></div>"


def rows(records: list[dict[str, Any]], *keys: str) -> list[list[Any]]:
    return [[record[key] for key in keys] for record in records]


def table(columns: list[str], content: list[list[Any]]) -> str:
    """Numbers to the right; everything but `Markup` escaped."""
    numbers = [any(isinstance(row[n], int | float) for row in content) for n in range(len(columns))]
    kind = [" class='n'" if number else "" for number in numbers]
    head = "".join(f"<th{kind[n]}>{escape(name)}</th>" for n, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{kind[n]}>{shown(value)}</td>" for n, value in enumerate(row)) + "</tr>"
        for row in content
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def shown(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        return escape(str(value))
    return f"{value:,}"
