"""Times as people write them -> seconds UTC and seconds of the local wall clock.

A time tells its zone itself (`2012-12-21T08:29:31-05:00`, a datetime with a zone) or is given one: a zone's name
(`America/New_York`) or minutes from UTC (`-300`). Without either it is refused: a habit is a habit of a local hour.
"""

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from refinepoi.core.errors import UserError

MINUTES = re.compile(r"[+-]?\d{1,4}(\.0+)?")
MOST = 14 * 60


class Moment(NamedTuple):
    """utc: epoch seconds. local: seconds of the local wall clock, counted as if it were UTC."""

    utc: int
    local: int

    def text(self) -> str:
        """`2012-12-21T08:29:31-05:00`"""
        zone = timezone(timedelta(seconds=self.local - self.utc))
        return datetime.fromtimestamp(self.utc, zone).isoformat()


def moment(time: Any, zone: Any = None) -> Moment:
    """
    time: a datetime, ISO 8601 text, or epoch seconds. zone: what holds where the time itself tells none, and what the
    local clock follows where the time is given in UTC or as seconds. Raises UserError with value and remedy.
    """
    where = zone_of(zone)
    at = _parse(time)
    if at.tzinfo is None:
        if where is None:
            raise UserError(f"time {str(time)!r} tells no zone; write 2012-12-21T08:29:31-05:00, or give a time zone")
        at = at.replace(tzinfo=where)
    elif where is not None:
        at = at.astimezone(where)
    offset = at.utcoffset() or timedelta(0)
    utc = int(at.astimezone(UTC).timestamp())
    return Moment(utc, utc + int(offset.total_seconds()))


def _parse(time: Any) -> datetime:
    if isinstance(time, datetime):
        return time
    if isinstance(time, bool) or time is None:
        raise UserError(f"time {time!r} is no time; write 2012-12-21T08:29:31-05:00")
    try:
        if isinstance(time, int | float):
            return datetime.fromtimestamp(time, UTC)
        return datetime.fromisoformat(str(time).strip())
    except (ValueError, OverflowError, OSError):
        raise UserError(f"time {str(time)!r} cannot be read; write it as 2012-12-21T08:29:31-05:00") from None


@lru_cache(maxsize=1024)
def zone_of(zone: Any) -> tzinfo | None:
    if zone is None or isinstance(zone, tzinfo):
        return zone
    text = str(zone).strip()
    if not text:
        return None
    if MINUTES.fullmatch(text):
        minutes = int(float(text))
        if abs(minutes) > MOST:
            raise UserError(f"time zone {text!r} lies outside -{MOST}..{MOST} minutes")
        return timezone(timedelta(minutes=minutes))
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"time zone {text!r} is unknown; give a name such as America/New_York, or minutes") from None
