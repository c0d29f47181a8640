"""World: the check-ins as plain arrays, each user's in one piece, and the queries over them.

Stream order is (user, utc, order of the table): the rows of user u are start[u] .. start[u + 1] - 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.earth import EARTH_KM

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
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
    table = {name: trajectories.checkins[name].to_numpy() for name in trajectories.checkins.columns}
    order = np.argsort(table["user"], kind="stable")  # the table is sorted by utc already
    user, utc, local = table["user"][order], table["utc"][order], table["local"][order]
    log_gap = np.full(len(order), np.inf)
    same = user[1:] == user[:-1]
    log_gap[1:][same] = np.log1p((utc[1:] - utc[:-1])[same] / 3_600.0)
    latitude, longitude = (np.radians(trajectories.pois[name].to_numpy()) for name in ("latitude", "longitude"))
    flat = np.cos(latitude)
    origin, span = (int(utc.min()), int(utc.max() - utc.min()) + 2) if len(utc) else (0, 1)
    return World(
        start=np.searchsorted(user, np.arange(trajectories.users.height + 1)).astype(np.int64),
        poi=table["poi"][order].astype(np.int64),
        utc=utc.astype(np.int64),
        hour=hour_of(local),
        weekday=weekday_of(local),
        trajectory=table["trajectory"][order].astype(np.int64),
        train=table["split"][order] == TRAIN,
        log_gap=log_gap,
        places=np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], 1),
        user_times=user.astype(np.int64) * span + (utc.astype(np.int64) - origin),
        origin=origin,
        span=span,
    )


def make_queries(trajectories: Trajectories) -> Queries:
    """The samples of the protocol; every earlier training check-in is seen until `sight.py` says otherwise."""
    row = trajectories.queries["row"].to_numpy()
    utc = trajectories.checkins["utc"].to_numpy()[row]
    local = trajectories.checkins["local"].to_numpy()[row]
    user, trajectory, split = (
        trajectories.queries[name].to_numpy().astype(np.int64) for name in ("user", "trajectory", "split")
    )
    return Queries(user, trajectory, split, utc, hour_of(local), weekday_of(local), train_end=utc.copy())


def kilometres(world: World, a: Ints, b: Ints) -> Floats:
    """Great-circle distance of POIs a and b, elementwise."""
    chord = np.sqrt(((world.places[a] - world.places[b]) ** 2).sum(-1))
    return np.asarray(2.0 * EARTH_KM * np.arcsin(np.minimum(chord / 2.0, 1.0)))
