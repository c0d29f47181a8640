"""Settings of the generator of new places for small worlds."""

from typing import Any

from refinepoi.evidence.names import SOURCES, TIMED_SOURCES

HIDDEN = {name: 0.5 + n / 10 for n, name in enumerate(SOURCES) if name not in TIMED_SOURCES}


def discovery(**changes: Any) -> dict[str, Any]:
    weights = {"known": HIDDEN | dict.fromkeys(TIMED_SOURCES, 0.7), "hidden": HIDDEN}
    return {"part": 0.4, "refresh_days": 2.0, "people": 2, "cell_km": 1.0, "area_km": 4.0, "weights": weights} | changes
