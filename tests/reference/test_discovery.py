"""Sources of new places, their probability and which of them become candidates, against plain loops over plain rows."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from new_places import discovery

from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.evidence.area import areas_of
from refinepoi.evidence.count import count
from refinepoi.evidence.names import DISCOVERY, SOURCES
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.evidence.world import unit_vectors

USERS, PLACES, ROWS, DAY = 6, 30, 130, 86_400
SPEC: dict[str, Any] = {
    "history": "all", "candidates": PLACES, "pool": {"next": 2, "popular": 0, "near": 0}, "decay_days": (7.0,),
    "hour_widths": (1.0,), "gap_width": 0.5, "near_km": (1.0,), "blackout_days": 0.0, "chunk": 9, "seed": 0,
    "order": {"known": {"user_count": 1.0}, "hidden": {"user_count": 1.0}},
    "habit": {"hour_width": 1.0, "recency_days": 20.0, "fresh_days": 9.0, "trail": 6.0, "near_km": 2.0,
              "same_kind": 0.5, "other_kind": 0.15},
}  # fmt: skip


def random_world() -> Trajectories:
    draw = np.random.default_rng(5)
    utc = np.sort(draw.integers(0, 30 * DAY // 600, ROWS)) * 600 + 1_333_000_000
    user = draw.integers(0, USERS, ROWS)
    order = np.lexsort((user, utc))
    utc, user = utc[order], user[order]
    split = np.searchsorted([90, 110], np.arange(ROWS), "right")
    poi = (draw.zipf(1.4, ROWS) + 3 * user) % PLACES
    columns = {"user": user, "poi": poi, "utc": utc, "local": utc - 4 * 3600, "trajectory": user, "split": split}
    checkins = pl.DataFrame(columns).cast(dict(CHECKINS))
    queries = checkins.select("split", "user", "trajectory", row=pl.Series(np.arange(ROWS)), target="poi")
    pois = {
        "poi_id": [f"p{i}" for i in range(PLACES)], "category_id": ["c"] * PLACES,
        "category": ["Café", "Bar", "Gym"] * (PLACES // 3), "latitude": draw.uniform(40.70, 40.75, PLACES),
        "longitude": draw.uniform(-74.02, -73.95, PLACES), "in_train": [True] * PLACES,
    }  # fmt: skip
    users = pl.DataFrame({"user_id": [str(u) for u in range(USERS)]})
    return Trajectories(checkins, pl.DataFrame(pois).cast(dict(POIS)), users, queries.cast(dict(QUERIES)), {})


class Slow:
    def __init__(self, world: Trajectories, spec: EvidenceSpec) -> None:
        self.spec, self.new, self.hidden = spec, spec.discovery, spec.target_time == "hidden"
        self.rows = list(world.checkins.iter_rows(named=True))
        for row in self.rows:
            row["hour"], row["weekend"] = row["local"] / 3600 % 24, (row["local"] // DAY + 3) % 7 >= 5
        self.begin = [min(r["utc"] for r in self.rows if r["split"] == split) for split in range(3)]
        self.kind, self.at = world.pois["category"].to_list(), unit_vectors(world.pois)
        areas = areas_of(self.at, self.new.cell_km)
        self.centre = areas.centres[areas.cell]

    def kilometres(self, a: np.ndarray, b: np.ndarray) -> float:
        return float(2 * 6371.0088 * math.asin(np.linalg.norm(a - b) / 2))

    def query(self, number: int) -> np.ndarray:
        """[P, F]"""
        target = self.rows[number]
        seen = [r for r in self.rows if r["user"] == target["user"] and r["utc"] < target["utc"]]
        last = max(enumerate(seen), key=lambda pair: (pair[1]["utc"], pair[0]))[1] if seen else None
        cutoff = target["utc"]
        if self.hidden:
            cutoff = last["utc"] + 1 if last else self.begin[target["split"]]
        moment = cutoff // (self.new.refresh_days * DAY) * (self.new.refresh_days * DAY)
        crowd = [r for r in self.rows if r["split"] == 0 and r["utc"] < moment]
        firsts = list({(r["user"], r["poi"]): r for r in reversed(crowd)}.values())
        own = {r["poi"] for r in seen}
        places = {u: {r["poi"] for r in crowd if r["user"] == u} for u in range(USERS)}
        like = {u: (len(own & p) / math.sqrt(len(own) * len(p))) ** 2 if own & p else 0.0 for u, p in places.items()}
        best = sorted(like, key=lambda u: (-like[u], u))[: self.new.people]
        total = sum(like[u] for u in best)
        near_hour = {id(r): 1.0 if self.hidden else kernel(r["hour"], target["hour"], 2.0) for r in seen}
        table = np.zeros((PLACES, len(DISCOVERY)))
        for place in sorted(set(range(PLACES)) - own):
            c = dict.fromkeys(SOURCES, 0.0)
            c["new_people"] = sum(place in p for p in places.values())
            c["new_alike"] = sum(like[u] for u in best if place in places[u]) / total if total else 0.0
            if last:
                c["new_near"] = 1 / (0.05 + self.kilometres(self.at[place], self.at[last["poi"]]))
                weights = [w + (0 if self.hidden else 1e-3) for w in near_hour.values()]
                far = [self.kilometres(self.centre[place], self.centre[r["poi"]]) for r in seen]
                area = [
                    w * math.exp(-d / self.new.area_km)
                    for w, d in zip(weights, far, strict=True)
                    if d <= 3 * self.new.area_km
                ]
                c["new_area"] = sum(area) / sum(weights)
            if not self.hidden:
                c["new_near_soon"] = (
                    c["new_near"] * math.exp(-(target["utc"] - last["utc"]) / 3600 / 6) if last else 0.0
                )
                at_hour = [(self.kind[r["poi"]], self.around(r, target)) for r in firsts]
                c["new_category"] = part(self.kind[place], at_hour)
                c["new_own_category"] = part(self.kind[place], [(self.kind[r["poi"]], near_hour[id(r)]) for r in seen])
            weights_ = self.new.weights.hidden if self.hidden else self.new.weights.known
            likely = math.exp(sum(w * math.log(1 + 10 * c[n]) for n, w in weights_.items()))
            table[place] = [*(c[n] for n in SOURCES), likely]
        table[:, -1] /= max(table[:, -1].sum(), 1e-30)
        return table

    def around(self, row: dict[str, Any], target: dict[str, Any]) -> float:
        weight = kernel(int(row["hour"]) + 0.5, target["hour"], 1.5) * (
            1 if row["weekend"] == target["weekend"] else 0.3
        )
        return round(64 * weight) / 64


def kernel(a: float, b: float, width: float) -> float:
    apart = abs(a - b)
    return math.exp(-0.5 * (min(apart, 24 - apart) / width) ** 2)


def part(kind: str, weights: list[tuple[str, float]]) -> float:
    total = sum(weight for _, weight in weights)
    return sum(weight for k, weight in weights if k == kind) / total if total else 0.0


@pytest.mark.parametrize("target_time", ["known", "hidden"])
def test_agrees_with_plain_loops(target_time: str) -> None:
    world = random_world()
    spec = EvidenceSpec.model_validate(SPEC | {"target_time": target_time, "discovery": discovery(part=5 / PLACES)})
    evidence, slow = count(world, spec), Slow(world, spec)
    first = evidence.names.index(DISCOVERY[0])
    some = 0
    for number in range(ROWS):
        expected = slow.query(number)
        found = evidence.candidates[number][evidence.candidates[number] >= 0]
        np.testing.assert_allclose(
            evidence.counters[number, : len(found), first:],
            expected[found],
            rtol=2e-3,
            atol=1e-6,  # single precision: half a metre
        )
        least = np.sort(expected[:, -1])[-5]
        assert {p for p in range(PLACES) if expected[p, -1] > least * 1.005} <= set(found.tolist())
        some += int((expected[:, SOURCES.index("new_alike")] > 0).any())
    assert some > ROWS / 2
    assert all(evidence.counter(name).any() == (name not in evidence.facts["always_zero"]) for name in DISCOVERY)
