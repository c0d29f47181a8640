"""Answers as data, as a CSV with a row a place, and as a table for the terminal."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from refinepoi.recommend.recommender import Answer, Recommender
from refinepoi.recommend.spec import RecommendSpec
from refinepoi.recommend.table import read_rows
from refinepoi.recommend.trips import Question

PLACE = ("rank", "poi_id", "name", "category", "latitude", "longitude", "km", "probability", "semantic_id")
COLUMNS = ("user", "trip", "when", *PLACE, "reasoning")
SHOWN = 5
"""Questions shown in the terminal; the files hold all."""
FORMULA = re.compile(r"[=@\t\n]|[+-](?![\d.]+\Z)")
"""How a cell begins that spreadsheets would compute; a number stays a number."""


def answer_all(spec: RecommendSpec, recommender: Recommender, questions: Iterable[Question]) -> dict[str, Any]:
    """The content of the artifact."""
    answers = []
    for asked in questions:
        user = asked.user if spec.known_users and asked.user in recommender.people else None
        answer = recommender.answer(asked.visits, asked.when, spec.k, user=user, mode=spec.mode)
        answers.append(_plain(asked, answer, recommender))
    facts = {
        "k": spec.k,
        "mode": recommender.decoding(spec.k, spec.mode).mode,
        "questions": len(answers),
        "matched_by_coordinates": sum(visit["matched_km"] > 0 for answer in answers for visit in answer["history"]),
        "catalogue": len(recommender.catalogue),
    }
    return {"facts": facts, "answers": answers}


def read_names(file: str | None) -> dict[str, str]:
    """What places are called: a CSV with the columns poi and name."""
    if file is None:
        return {}
    return {row["poi"]: row["name"] for _, row in read_rows("recommend.names", Path(file), ",") if row["name"]}


def write_csv(path: Path, content: dict[str, Any]) -> None:
    """Text from data or the model that begins like a formula gets an apostrophe (OWASP: CSV injection)."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for answer in content["answers"]:
            rows = (answer | place for place in answer["places"])
            writer.writerows({name: _inert(row[name]) for name in COLUMNS} for row in rows)


def write_text(path: Path, content: dict[str, Any]) -> None:
    """The first `SHOWN` answers as tables."""
    answers = content["answers"]
    blocks = [_block(answer) for answer in answers[:SHOWN]]
    if len(answers) > SHOWN:
        blocks.append(f"and {len(answers) - SHOWN} more in recommendations.csv, .json and .html")
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _plain(asked: Question, answer: Answer, recommender: Recommender) -> dict[str, Any]:
    known = recommender.catalogue
    history = [
        {
            "poi_id": known.ids[poi],
            "name": known.names.get(known.ids[poi]),
            "category": known.categories[poi],
            "latitude": float(known.latitude[poi]),
            "longitude": float(known.longitude[poi]),
            "time": at.text(),
            "matched_km": km,
        }
        for (poi, km), at, _ in answer.visits
    ]
    places = [place._asdict() for place in answer.places]
    who = {"user": asked.user, "trip": asked.trip, "when": answer.when.text(), "reasoning": answer.reasoning}
    return {**who, "history": history, "places": places}


def _block(answer: dict[str, Any]) -> str:
    trip = f", trip {answer['trip']}" if answer["trip"] is not None else ""
    lines = [f"{answer['user']}{trip}: next place at {_clock(answer['when'])}, after {len(answer['history'])} visits"]
    rows = [("", "place", "category", "km", "prob.", "latitude", "longitude")]
    rows += [
        (
            str(place["rank"]), place["name"] or place["poi_id"], place["category"],
            "" if place["km"] is None else f"{place['km']:.1f}", f"{place['probability']:.1%}",
            f"{place['latitude']:.5f}", f"{place['longitude']:.5f}",
        )
        for place in answer["places"]
    ]  # fmt: skip
    widths = [min(max(len(row[column]) for row in rows), 40) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            _cut(cell).ljust(width) if column in (1, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if answer["reasoning"]:
        lines.append("reasoning: " + " ".join(answer["reasoning"].split()))
    text = "\n".join(lines)
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _inert(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # Python 3.11 does not quote a bare \r: a row would begin
    return f"'{text}" if FORMULA.match(text) else text


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _clock(when: str) -> str:
    return when[:16].replace("T", " ")
