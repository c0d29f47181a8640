"""Visiting-hour block: at which hours of weekdays and of weekends a POI is visited (docs/method.md section 2).

The histogram is described by its Fourier coefficients k = 1..K around the day, from the exact local minute and without
bins, for weekdays and weekends apart, and by the share of weekend visits. Each POI's own sums are mixed with
`prior_visits` visits' worth of its category's profile, itself mixed with that of all POIs: two visits say little.
"""

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
DAY = 86_400
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def visit_waves(local: npt.NDArray[np.int64], harmonics: int) -> Vector:
    """What one visit adds: [n, 2 * (1 + 2 * harmonics)] = (count, cos, sin) for weekdays, then for weekends."""
    angle = 2 * np.pi * (local % DAY) / DAY
    k = np.arange(1, harmonics + 1)
    day = np.concatenate([np.ones((len(local), 1)), np.cos(angle[:, None] * k), np.sin(angle[:, None] * k)], axis=1)
    weekend = ((local // DAY + _EPOCH_WEEKDAY) % 7 >= 5)[:, None]
    return np.concatenate([day * ~weekend, day * weekend], axis=1)


def sums_by(group: npt.NDArray[np.integer], values: Vector, groups: int) -> Vector:
    """Row sums of `values` [n, c] for each group 0..groups-1: [groups, c]. Added in row order."""
    total = np.zeros((groups, values.shape[1]))
    np.add.at(total, group, values)
    return total


def mixed(own: Vector, wider: Vector, prior_visits: float) -> Vector:
    """Sums [P, c] plus the wider sums [P, c] scaled to `prior_visits` visits."""
    visits = _visits(wider)
    return own + wider * (prior_visits / np.where(visits > 0, visits, 1.0))


def profile(sums: Vector) -> Vector:
    """Sums [P, 2 (1 + 2K)] -> [P, 4K + 1]: mean waves of weekdays and of weekends, and the share of weekend visits."""
    weekday, weekend = np.split(sums, 2, axis=1)
    means = [part[:, 1:] / np.where(part[:, :1] > 0, part[:, :1], 1.0) for part in (weekday, weekend)]
    visits = _visits(sums)
    return np.concatenate([*means, weekend[:, :1] / np.where(visits > 0, visits, 1.0)], axis=1)


def _visits(sums: Vector) -> Vector:
    return sums[:, :1] + sums[:, sums.shape[1] // 2, None]
