"""The audit's pictures, as PNG bytes: where check-ins are in each split, and when."""

import io
from typing import Any

import numpy as np

from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.audit.figures import hour_shares

COLOURS = ("#4c72b0", "#dd8452", "#55a868")
MOST_DOTS = 30_000


def draw(trajectories: Trajectories) -> dict[str, bytes]:
    """name -> PNG: `maps`, `hours`, `days`."""
    import matplotlib

    matplotlib.use("Agg")
    return {"maps": maps(trajectories), "hours": hours(trajectories), "days": days(trajectories)}


def maps(trajectories: Trajectories) -> bytes:
    """One map a split: a dot a place, its size by visits; the middle 99 % of places."""
    from matplotlib.figure import Figure

    latitude, longitude = (trajectories.pois[c].to_numpy() for c in ("latitude", "longitude"))
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    inside = [np.quantile(axis, (0.005, 0.995)) for axis in (longitude, latitude)]
    split, poi = (trajectories.checkins[c].to_numpy() for c in ("split", "poi"))
    for number, axes in enumerate(figure.subplots(1, 3, sharex=True, sharey=True)):
        visits = np.bincount(poi[split == number], minlength=len(latitude))
        shown = np.argsort(-visits, kind="stable")[: min(MOST_DOTS, int((visits > 0).sum()))]
        size = 1 + 12 * np.sqrt(visits[shown] / max(1, visits.max()))
        axes.scatter(longitude[shown], latitude[shown], size, COLOURS[number], alpha=0.5, linewidths=0, rasterized=True)
        axes.set_title(f"{SPLITS[number]}: {visits.sum():,} check-ins, {(visits > 0).sum():,} places", fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_aspect(1 / max(0.05, np.cos(np.radians(np.median(latitude)))))
    axes.set(xlim=inside[0], ylim=inside[1])
    return _png(figure)


def hours(trajectories: Trajectories) -> bytes:
    """Shares of check-ins by hour of the local clock, a line a split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    split, local = (trajectories.checkins[c].to_numpy() for c in ("split", "local"))
    for number, name in enumerate(SPLITS):
        axes.plot(range(24), hour_shares(local[split == number]), COLOURS[number], marker=".", label=name)
    axes.set(xlabel="hour, local clock", ylabel="share", xticks=range(0, 24, 3), ylim=(0, None))
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def days(trajectories: Trajectories) -> bytes:
    """Check-ins a week, coloured by split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    split, utc = (trajectories.checkins[c].to_numpy() for c in ("split", "utc"))
    week = (utc - utc.min()) // (7 * 86_400)
    parts = [np.bincount(week[split == number], minlength=int(week.max()) + 1) for number in range(3)]
    axes.stackplot(range(len(parts[0])), parts, labels=SPLITS, colors=COLOURS)
    axes.set(xlabel="week", ylabel="check-ins")
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return file.getvalue()
