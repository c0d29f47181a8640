"""Semantic IDs: each POI as one grid coordinate per level, written `<A_1,2><B_3,4>`. Made by `refinepoi/quantizer`."""

import string
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import read_array, read_json, require, write_array, write_json

LEVEL_LETTERS = string.ascii_uppercase


@dataclass(frozen=True, eq=False)
class Reserved:
    """IDs that nobody bears any more. poi_ids: [R]; codes: int32 [R, L]."""

    poi_ids: tuple[str, ...] = ()
    codes: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 0), np.int32))

    def __post_init__(self) -> None:
        require(len(self.poi_ids) == len(self.codes), f"{len(self.poi_ids)} reserved names, {len(self.codes)} IDs")


@dataclass(frozen=True, eq=False)
class SemanticIds:
    """
    codes: int32 [P, L], node index on each level's grid, row-major: row = code // W, column = code % W.
    grids: L pairs (H, W).
    policy: how collisions were resolved (`nearest_free`, `suffix`, `none`). With `suffix` the last level is a
        1 x n grid that counts POIs of one cell.
    report: quality by level and for whole IDs.
    poi_ids: the data's own name of each POI, [P], by which it is found again in a later catalogue.
    reserved: names and codes (int32 [R, L]) of POIs of earlier catalogues that are not in this one: their IDs are never
        given to others.
    reference: how well the quantizer described the POIs it was trained on, to tell drift later.
    The fitted quantizer itself lies beside, in `quantizer/` (`refinepoi/quantizer/fit.py` reads it).
    """

    codes: npt.NDArray[np.int32]
    grids: tuple[tuple[int, int], ...]
    policy: str
    report: dict[str, Any] = field(default_factory=dict)
    poi_ids: tuple[str, ...] = ()
    reserved: Reserved = field(default_factory=Reserved)
    reference: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.codes.ndim == 2 and self.codes.shape[1] == len(self.grids), "codes and grids differ in levels")
        require(len(self.grids) <= len(LEVEL_LETTERS), f"{len(self.grids)} levels: at most {len(LEVEL_LETTERS)}")
        sizes = np.array([h * w for h, w in self.grids])
        bad = np.flatnonzero(((self.codes < 0) | (self.codes >= sizes)).any(1))
        require(bad.size == 0, f"codes of POI row {bad[:1]} lie outside their grids {self.grids}")
        named = len(self.poi_ids)
        require(named in (0, len(self.codes)), f"{named} names of {len(self.codes)} POIs")
        require(len(set(self.poi_ids)) == named, "two POIs have the same name")
        require(not set(self.poi_ids) & set(self.reserved.poi_ids), "a POI has an ID and one reserved")

    @property
    def levels(self) -> int:
        return len(self.grids)

    def token(self, level: int, code: int) -> str:
        """`token(0, 18)` on a 16x16 grid -> `<A_1,2>`."""
        row, column = divmod(int(code), self.grids[level][1])
        return f"<{LEVEL_LETTERS[level]}_{row},{column}>"

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """All tokens, level by level, in the order of `token_index`."""
        return tuple(self.token(lv, code) for lv, (h, w) in enumerate(self.grids) for code in range(h * w))

    @cached_property
    def token_index(self) -> npt.NDArray[np.int64]:
        """[P, L] indices into `tokens`: the ID of each POI."""
        offsets = np.cumsum([0, *(h * w for h, w in self.grids)])[:-1]
        return self.codes.astype(np.int64) + offsets

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The ID of each POI as text."""
        names = self.tokens
        return tuple("".join(names[t] for t in row) for row in self.token_index)

    @cached_property
    def pois_of(self) -> dict[str, tuple[int, ...]]:
        """The inverse map: ID text -> POIs that bear it (one, unless the policy is `none`)."""
        inverse: dict[str, list[int]] = {}
        for poi, text in enumerate(self.texts):
            inverse.setdefault(text, []).append(poi)
        return {text: tuple(pois) for text, pois in inverse.items()}

    @property
    def collision_rate(self) -> float:
        """Share of POIs that share their ID with another."""
        shared = sum(len(pois) for pois in self.pois_of.values() if len(pois) > 1)
        return shared / max(len(self.codes), 1)

    def save(self, folder: Path) -> None:
        write_array(folder / "codes.npy", self.codes)
        write_array(folder / "reserved_codes.npy", self.reserved.codes)
        write_json(folder / "poi_ids.json", {"here": self.poi_ids, "reserved": self.reserved.poi_ids})
        facts = {"grids": self.grids, "policy": self.policy, "report": self.report, "reference": self.reference}
        write_json(folder / "facts.json", facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts, names = read_json(folder / "facts.json"), read_json(folder / "poi_ids.json")
        return cls(
            read_array(folder / "codes.npy"),
            tuple((h, w) for h, w in facts["grids"]),
            facts["policy"],
            facts["report"],
            tuple(names["here"]),
            Reserved(tuple(names["reserved"]), read_array(folder / "reserved_codes.npy")),
            facts["reference"],
        )
