"""Prompts: the text a language model reads and the answer it should give. Made by `refinepoi/prompt`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl

from refinepoi.artifacts.files import read_json, require, write_json
from refinepoi.artifacts.profiles import Profiles

TABLE = {
    "query": pl.Int32,  # row of Trajectories.queries
    "split": pl.Int8,  # index into trajectories.SPLITS
    "prompt": pl.String,
    "answer": pl.String,  # the list to learn, the target's ID first; never shown in the prompt
    "ranked": pl.String,  # the list of whatever ordered the candidates; it does not know the target
    "target": pl.Int32,  # POI index
}
STREAMS = {"text": pl.String}
LAYOUT: dict[str, Any] = {
    "query": pl.Int32,
    "system": pl.Int32,  # characters at the start of the prompt that a chat template puts into the system message
    "droppable": pl.List(
        pl.Int32
    ),  # first, end, first, end ... of what may be cut out of the prompt, least needed first
    "visits": pl.Int32,  # how many of these pieces are visits, which go first ...
    "candidates": pl.Int32,  # ... and candidates, which go next; behind them stands the profile, where there is one
    "dropped_visits": pl.Int32,  # chosen by the memory, but beyond the budget
    "dropped_candidates": pl.Int32,
}
ALIGNMENT = {"task": pl.String, "prompt": pl.String, "answer": pl.String}


def no_layout() -> pl.DataFrame:
    """Nothing to be cut, no system message."""
    return pl.DataFrame(schema=LAYOUT)


def no_alignment() -> pl.DataFrame:
    """No tasks beside the queries."""
    return pl.DataFrame(schema=ALIGNMENT)


@dataclass(frozen=True, eq=False)
class Prompts:
    """
    table: one row a query that can be asked, sorted by query.
    streams: training texts in which every visit is supervised (`compact` only; no rows otherwise).
    words: the vocabulary of the texts without semantic-ID tokens, for tokenizers built from scratch; sorted.
    id_tokens: the semantic-ID tokens, to be added to any tokenizer.
    list_length: k, how many places an answer names.
    facts: template, memory, token budget, what was dropped.
    layout: for queries whose prompt has them, its system message and what a smaller budget may cut out of it.
    profiles: what its prompts may tell of users (`artifacts.profiles.TABLE`; no rows where they tell none), so that
        who asks later is told the same.
    alignment: what IDs mean, in words, as questions and answers (`question` only; no rows otherwise).
    """

    table: pl.DataFrame
    streams: pl.DataFrame
    words: tuple[str, ...]
    id_tokens: tuple[str, ...]
    list_length: int
    facts: dict[str, Any]
    layout: pl.DataFrame = field(default_factory=no_layout)
    alignment: pl.DataFrame = field(default_factory=no_alignment)
    profiles: pl.DataFrame = field(default_factory=lambda: Profiles.none().table)

    def __post_init__(self) -> None:
        require(self.table.schema == pl.Schema(TABLE), f"prompts: columns {dict(self.table.schema)}, expected {TABLE}")
        require(self.streams.schema == pl.Schema(STREAMS), f"streams: columns {dict(self.streams.schema)}")
        require(self.layout.schema == pl.Schema(LAYOUT), f"layout: columns {dict(self.layout.schema)}")
        require(self.alignment.schema == pl.Schema(ALIGNMENT), f"alignment: columns {dict(self.alignment.schema)}")
        require(not set(self.words) & set(self.id_tokens), "words and semantic-ID tokens overlap")

    def save(self, folder: Path) -> None:
        self.table.write_parquet(folder / "table.parquet")
        self.streams.write_parquet(folder / "streams.parquet")
        self.layout.write_parquet(folder / "layout.parquet")
        self.alignment.write_parquet(folder / "alignment.parquet")
        self.profiles.write_parquet(folder / "profiles.parquet")
        facts = {"words": self.words, "id_tokens": self.id_tokens, "list_length": self.list_length, "facts": self.facts}
        write_json(folder / "facts.json", facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = read_json(folder / "facts.json")
        return cls(
            table=pl.read_parquet(folder / "table.parquet"),
            streams=pl.read_parquet(folder / "streams.parquet"),
            words=tuple(facts["words"]),
            id_tokens=tuple(facts["id_tokens"]),
            list_length=facts["list_length"],
            facts=facts["facts"],
            layout=pl.read_parquet(folder / "layout.parquet"),
            alignment=pl.read_parquet(folder / "alignment.parquet"),
            profiles=pl.read_parquet(folder / "profiles.parquet"),
        )
