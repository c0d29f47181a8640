"""Evidence against plain loops over plain rows: same pool, counters, order and facts, in all four settings."""

import itertools
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from new_places import discovery

from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, Trajectories
from refinepoi.core.seeding import generator
from refinepoi.evidence.count import count
from refinepoi.evidence.names import CONTEXT, DISCOVERY, counter_names
from refinepoi.evidence.spec import EvidenceSpec

USERS, PLACES, ROWS = 5, 9, 150
DAY = 86_400
NEVER = -(10**12)

# What is multiplied at each visit, written from docs/method.md section 5 and not read from the code under test.
OF_PLACE = {
    "user_next": "follows",
    "user_next_gap": "follows gap",
    "user_next_hour": "follows hour",
    "user_next_gap_hour": "follows gap hour day",
    "user_next2": "follows2",
    "user_near_next": "near",
    "user_near_habit": "near gap hour day",
    "user_trail": "trail",
    "user_kind_recent": "kind recent",
    "user_hour_weekday": "hour day",
    "user_hour_recent": "hour recent",
    "user_habit": "hour day recent",
    "user_gap_habit": "gap hour day",
    "user_recent_share": "recent",
    "user_habit_share": "hour day recent",
    "user_gap_habit_share": "gap hour day",
    "user_near_habit_share": "near gap hour day",
    "user_next_share": "follows gap recent",
    "user_trail_share": "trail hour",
    "user_kind_share": "kind hour fresh",
}
OF_CATEGORY = {
    "category_recent": "recent",
    "category_habit": "hour day recent",
    "category_habit_share": "hour day recent",
}


def random_world(seed: int) -> Trajectories:
    """Few users and places, equal times, trajectories across splits, a user without training visits of some kind."""
    draw = np.random.default_rng(seed)
    utc = np.sort(draw.integers(0, 40 * DAY // 600, ROWS)) * 600 + 1_333_000_000  # ten-minute clock: many ties
    user = draw.integers(0, USERS, ROWS)
    order = np.lexsort((user, utc))
    utc, user = utc[order], user[order]
    poi = draw.zipf(1.5, ROWS) % PLACES
    split = np.searchsorted([int(ROWS * 0.6), int(ROWS * 0.8)], np.arange(ROWS), "right")
    split[draw.random(ROWS) < 0.1] = 1  # no clean cut in time: training visits after others that are not
    trajectory = user * 100 + (utc - utc[0]) // (3 * DAY)
    checkins = pl.DataFrame(
        {"user": user, "poi": poi, "utc": utc, "local": utc - 4 * 3600, "trajectory": trajectory, "split": split}
    ).cast(dict(CHECKINS))
    last = checkins.with_row_index("row").group_by("trajectory", maintain_order=True).last().sort("split", "row")
    queries = last.select("split", "user", "trajectory", "row", target="poi").cast(dict(QUERIES))
    pois = pl.DataFrame(
        {
            "poi_id": [f"p{i}" for i in range(PLACES)],
            "category_id": ["c"] * PLACES,
            "category": ["Café", "Bar", "Gym"] * (PLACES // 3),
            "latitude": draw.uniform(40.6, 40.9, PLACES),
            "longitude": draw.uniform(-74.1, -73.8, PLACES),
            "in_train": [True] * PLACES,
        }
    ).cast(dict(POIS))
    users = pl.DataFrame({"user_id": [str(u) for u in range(USERS)]})
    return Trajectories(checkins, pois, users, queries, {})


def settings(**changes: Any) -> EvidenceSpec:
    return EvidenceSpec.model_validate(
        {
            "history": "all",
            "target_time": "known",
            "candidates": PLACES,
            "pool": {"next": PLACES, "popular": PLACES, "near": PLACES},
            "discovery": discovery(),
            "decay_days": (7.0, 30.0),
            "hour_widths": (0.5, 2.0),
            "habit": {
                "hour_width": 1.0,
                "recency_days": 20.0,
                "fresh_days": 9.0,
                "trail": 6.0,
                "near_km": 2.0,
                "same_kind": 0.5,
                "other_kind": 0.15,
            },
            "gap_width": 0.5,
            "near_km": (1.0, 5.0),
            "order": {
                "known": {"user_count": 0.7, "near_5km": 0.9, "crowd_next": 0.4, "popularity_hour": 0.1},
                "hidden": {"user_recent_share": 0.7, "near_5km": 0.9, "popularity": 0.1},
            },
            "blackout_days": 12.0,
            "chunk": 7,
            "seed": 3,
        }
        | changes
    )


class Slow:
    """The definitions of docs/method.md section 5 read aloud, one query and one place at a time."""

    def __init__(self, world: Trajectories, spec: EvidenceSpec) -> None:
        self.spec, self.world = spec, world
        self.rows = list(world.checkins.iter_rows(named=True))
        for row in self.rows:
            row["hour"], row["weekday"] = row["local"] / 3600 % 24, (row["local"] // DAY + 3) % 7
        self.streams = {u: [r for r in self.rows if r["user"] == u] for u in range(USERS)}
        for stream in self.streams.values():
            for before, row in itertools.pairwise([None, *stream]):
                row["before"] = before
        self.hidden = spec.target_time == "hidden"
        self.days = generator(spec.seed, "blackout").uniform(0, spec.blackout_days, world.queries.height)

    def query(self, number: int) -> None:
        query = self.world.queries.row(number, named=True)
        self.target = target = self.rows[query["row"]]
        earlier = [r for r in self.streams[query["user"]] if r["utc"] < target["utc"]]
        here = [r for r in earlier if r["trajectory"] == query["trajectory"]]
        end = target["utc"]
        if self.spec.history == "train_prefix":
            if query["split"] == 0 and earlier:
                end = min(end, (here or earlier[-1:])[0]["utc"] - int(self.days[number] * DAY))
            earlier = [r for r in earlier if r in here or (r["split"] == 0 and r["utc"] < end)]
        self.seen, self.prefix = earlier, here
        self.last = earlier[-1] if earlier else None
        if self.hidden:
            first = next(r["utc"] for r in self.rows if r["split"] == query["split"])
            self.now = self.last["utc"] if self.last else first
            cutoff = min(end, self.now + 1 if self.last else first)
        else:
            self.now, cutoff = target["utc"], end
        self.crowd = [r for r in self.rows if r["split"] == 0 and r["utc"] < cutoff]

    def counters(self, place: int) -> dict[str, float]:
        target, last = self.target, self.last
        plain = [name for name in counter_names((), (), ()) if not name.endswith("_share")]
        c: dict[str, float] = dict.fromkeys(plain, 0.0)
        c |= {f"user_decay_{days:g}d": 0.0 for days in self.spec.decay_days}
        c |= {f"user_hour_{width:g}h": 0.0 for width in self.spec.hour_widths}

        for i, row in enumerate(self.seen):
            if row["poi"] != place:
                continue
            age, behind = (self.now - row["utc"]) / DAY, len(self.seen) - 1 - i
            c["user_count"] += 1
            for days in self.spec.decay_days:
                c[f"user_decay_{days:g}d"] += math.exp(-age / days)
            c["user_prefix"] += 0.5**behind if row in self.prefix else 0
            c["days_since_visit"], c["visits_since_visit"] = max(age, 1 / 1440), behind + 1
            c["user_freshness"] = 1 / (0.1 + age)
            times = self.times(place)
            c["user_interval"] = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
            if self.hidden:
                continue
            for width in self.spec.hour_widths:
                c[f"user_hour_{width:g}h"] += kernel(row["hour"], target["hour"], width)
        waits = [math.log1p(24 * (b - a)) for a, b in itertools.pairwise(self.times(place))]
        if waits and not self.hidden:
            present = math.log1p(24 * (self.now / DAY - self.times(place)[-1]))
            c["user_rhythm"] = sum(math.exp(-0.5 * ((wait - present) / 0.3) ** 2) for wait in waits)
            c["user_rhythm_hazard"] = c["user_rhythm"] / (1 + sum(wait > present - 0.3 for wait in waits))
        kind = self.world.pois["category"]
        for name, needed in (OF_PLACE | OF_CATEGORY).items():
            parts = [math.prod(self.factor(factor, i) for factor in needed.split()) for i in range(len(self.seen))]
            own = [kind[r["poi"]] == kind[place] if name in OF_CATEGORY else r["poi"] == place for r in self.seen]
            total = sum(parts) if name.endswith("_share") else 1.0
            c[name] = sum(itertools.compress(parts, own)) / total if total else 0.0
        for row in self.crowd:
            before = row["before"]
            if last and row["poi"] == place and before and before["split"] == 0 and before["poi"] == last["poi"]:
                c["crowd_next"] += 1
                if not self.hidden:
                    c["crowd_next_gap"] += self.match(row["utc"] - before["utc"], target["utc"] - last["utc"])
            if row["poi"] == place:
                c["popularity"] += 1
                if not self.hidden:
                    c["popularity_hour"] += round(64 * kernel(int(row["hour"]) + 0.5, target["hour"], 1.0)) / 64
        for width in self.spec.hour_widths:
            parts = [0.0 if self.hidden else kernel(r["hour"], target["hour"], width) for r in self.seen]
            c[f"user_hour_{width:g}h_share"] = c[f"user_hour_{width:g}h"] / sum(parts) if sum(parts) else 0.0
        for km in self.spec.near_km:
            c[f"near_{km:g}km"] = math.exp(-self.distance(place) / km) if last else 0.0
        return c

    def times(self, place: int) -> list[float]:
        return [r["utc"] / DAY for r in self.seen if r["poi"] == place]

    def factor(self, name: str, i: int) -> float:
        """Of the i-th visible visit."""
        habit, target, last, row = self.spec.habit, self.target, self.last, self.seen[i]
        age = (self.now - row["utc"]) / DAY
        if name in ("recent", "fresh"):
            return math.exp(-age / (habit.recency_days if name == "recent" else habit.fresh_days))
        if name == "trail":
            return math.exp(-(len(self.seen) - 1 - i) / habit.trail)
        if name in ("hour", "day", "kind"):
            if self.hidden:
                return 0.0
            if name == "hour":
                return kernel(row["hour"], target["hour"], habit.hour_width)
            alike = (row["weekday"] >= 5) == (target["weekday"] >= 5)
            kind = habit.same_kind if alike else habit.other_kind
            return float(alike) if name == "kind" else 1.0 if row["weekday"] == target["weekday"] else kind
        before = self.before(row)
        if before is None:
            return 0.0
        if name == "gap":
            return 0.0 if self.hidden else self.match(row["utc"] - before["utc"], target["utc"] - last["utc"])
        if name == "near":
            return math.exp(-self.distance(before["poi"]) / habit.near_km)
        follows = before["poi"] == last["poi"]
        if name == "follows":
            return float(follows)
        two, last_two = self.before(before), self.before(last)
        return float(follows and two is not None and last_two is not None and two["poi"] == last_two["poi"])

    def before(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The visit before one, where both are seen and nothing between them can be hidden."""
        before = row["before"]
        across = self.spec.history == "train_prefix" and (before in self.prefix) != (row in self.prefix)
        return None if before not in self.seen or across else before

    def match(self, a: float, b: float) -> float:
        return math.exp(-0.5 * ((math.log1p(a / 3600) - math.log1p(b / 3600)) / self.spec.gap_width) ** 2)

    def distance(self, place: int) -> float:
        """Haversine, kilometres."""
        (a, b), (c, d) = (
            (math.radians(self.world.pois["latitude"][p]), math.radians(self.world.pois["longitude"][p]))
            for p in (self.last["poi"], place)
        )
        h = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
        return 2 * 6371.0088 * math.asin(math.sqrt(h))

    def context(self) -> list[float]:
        last, nan = self.last, math.nan
        outside = [r for r in self.seen if r not in self.prefix]
        return [
            nan if self.hidden else self.target["hour"],
            nan if self.hidden else self.target["weekday"],
            nan if self.hidden or not last else (self.target["utc"] - last["utc"]) / 3600,
            len(self.seen),
            len({r["poi"] for r in self.seen}),
            len(self.prefix),
            last["hour"] if last else nan,
            last["weekday"] if last else nan,
            (self.now - outside[-1]["utc"]) / DAY if outside else nan,
            self.new_share(("trail",)),
            nan if self.hidden else self.new_share(("trail", "hour")),
        ]

    def new_share(self, needed: tuple[str, ...]) -> float:
        weights = [math.prod(self.factor(factor, i) for factor in needed) for i in range(len(self.seen))]
        places = [r["poi"] for r in self.seen]
        new = sum(weight for i, weight in enumerate(weights) if places[i] not in places[:i])
        return (new + 0.3) / (sum(weights) + 1) if self.seen else math.nan


def kernel(a: float, b: float, width: float) -> float:
    apart = abs(a - b)
    return math.exp(-0.5 * (min(apart, 24 - apart) / width) ** 2)


@pytest.mark.parametrize("history", ["all", "train_prefix"])
@pytest.mark.parametrize("target_time", ["known", "hidden"])
def test_agrees_with_plain_loops(history: str, target_time: str) -> None:
    world, spec = random_world(7), settings(history=history, target_time=target_time)
    evidence, slow = count(world, spec), Slow(world, spec)
    assert evidence.context_names == CONTEXT
    for number in range(world.queries.height):
        slow.query(number)
        expected = [slow.counters(place) for place in range(PLACES)]
        found = evidence.candidates[number]
        assert sorted(found) == list(range(PLACES))  # pools as large as the catalogue: every place is a candidate
        names = [name for name in evidence.names if name not in DISCOVERY]  # these: test_discovery.py
        wanted = np.array([[expected[place][name] for name in names] for place in found])
        np.testing.assert_allclose(evidence.counters[number, :, : len(names)], wanted, rtol=2e-6, atol=1e-7)
        score = [sum(w * math.log1p(10 * expected[p][n]) for n, w in spec.weights.items()) for p in found]
        assert all(a >= b - 1e-9 for a, b in itertools.pairwise(score))
        np.testing.assert_allclose(evidence.context[number], slow.context(), rtol=1e-6)
