"""World: the check-ins as plain arrays, each user's in one piece, and the queries over them.

Stream order is (user, utc, order of the table): the rows of user u are start[u] .. start[u + 1] - 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi.artifacts.places import great_circle, unit_vectors
from refinepoi.artifacts.trajectories import CHECKINS, Trajectories

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Columns = dict[str, Ints]
TRAIN = 0


@dataclass(frozen=True)
class World:
    """Arrays of n check-ins in stream order, U users, P POIs."""

    start: Ints  # [U + 1]
    poi: Ints  # [n]
    utc: Ints  # [n] seconds
    hour: Floats  # [n] local clock, 0 <= hour < 24
    weekday: Ints  # [n] 0 is Monday
    trajectory: Ints  # [n]
    train: npt.NDArray[np.bool_]  # [n]
    log_gap: Floats  # [n] log(1 + hours since the user's previous row); infinity at the user's first
    places: Floats  # [P, 3] unit vectors
    category: Ints  # [P] 0 .. categories - 1
    categories: int
    user_times: Ints  # [n] `time_of` each row's user
    origin: int  # earliest utc
    span: int  # more than any difference of two utc

    @property
    def pois(self) -> int:
        return len(self.places)

    def time_of(self, group: Ints, utc: Ints) -> Ints:
        """One number that orders by group, then time: what `searchsorted` looks up in arrays sorted so."""
        return np.asarray(group * self.span + np.clip(utc - self.origin, 0, self.span - 1))


@dataclass(frozen=True)
class Queries:
    """m queries. `split` as in SPLITS; `utc`, `hour` and `weekday` are the target's."""

    user: Ints
    trajectory: Ints
    split: Ints
    utc: Ints
    hour: Floats
    weekday: Ints
    train_end: Ints  # training check-ins from here on are not seen (set by `sight.py`)

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints) -> "Queries":
        return Queries(**{name: values[rows] for name, values in vars(self).items()})

    def with_train_end(self, train_end: Ints) -> "Queries":
        return replace(self, train_end=np.minimum(train_end, self.utc))


def hour_of(local: npt.NDArray[np.integer[Any]]) -> Floats:
    return np.asarray(local % 86_400 / 3_600.0)


def weekday_of(local: npt.NDArray[np.integer[Any]]) -> Ints:
    return np.asarray((local // 86_400 + 3) % 7, np.int64)  # 1970-01-01 was a Thursday


def make_world(trajectories: Trajectories) -> World:
    pois = trajectories.pois
    return world_of(columns_of(trajectories), trajectories.users.height, unit_vectors(pois), categories_of(pois))


def make_queries(trajectories: Trajectories) -> Queries:
    """The samples of the protocol; every earlier training check-in is seen until `sight.py` says otherwise."""
    return queries_of(columns_of(trajectories), trajectories.queries["row"].to_numpy())


def columns_of(trajectories: Trajectories) -> Columns:
    """The check-ins as int64 arrays by name, in the order of the table."""
    return {name: trajectories.checkins[name].to_numpy().astype(np.int64) for name in CHECKINS}


def categories_of(pois: pl.DataFrame) -> Ints:
    """[P] number of each POI's category."""
    return np.asarray(np.unique(pois["category"].to_numpy(), return_inverse=True)[1], np.int64)


def world_of(table: Columns, users: int, places: Floats, category: Ints) -> World:
    """table: check-ins sorted by utc, names as in `CHECKINS`. places: [P, 3]. category: [P]."""
    order = np.argsort(table["user"], kind="stable")
    user, utc, local = table["user"][order], table["utc"][order], table["local"][order]
    log_gap = np.full(len(order), np.inf)
    same = user[1:] == user[:-1]
    log_gap[1:][same] = np.log1p((utc[1:] - utc[:-1])[same] / 3_600.0)
    origin, span = (int(utc.min()), int(utc.max() - utc.min()) + 2) if len(utc) else (0, 1)
    return World(
        start=np.searchsorted(user, np.arange(users + 1)).astype(np.int64),
        poi=table["poi"][order],
        utc=utc,
        hour=hour_of(local),
        weekday=weekday_of(local),
        trajectory=table["trajectory"][order],
        train=table["split"][order] == TRAIN,
        log_gap=log_gap,
        places=places,
        category=category,
        categories=int(category.max(initial=-1)) + 1,
        user_times=user * span + (utc - origin),
        origin=origin,
        span=span,
    )


def queries_of(table: Columns, row: Ints) -> Queries:
    """Queries whose targets are the rows `row` [m] of the table."""
    target = {name: values[row] for name, values in table.items()}
    return Queries(
        user=target["user"],
        trajectory=target["trajectory"],
        split=target["split"],
        utc=target["utc"],
        hour=hour_of(target["local"]),
        weekday=weekday_of(target["local"]),
        train_end=target["utc"].copy(),
    )


def kilometres(world: World, a: Ints, b: Ints) -> Floats:
    """Great-circle distance of POIs a and b, elementwise."""
    return great_circle(world.places[a], world.places[b])
