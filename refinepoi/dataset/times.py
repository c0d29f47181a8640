"""Clocks: the text of a time and of a time zone -> seconds UTC and seconds of the local wall clock.

`local` counts the wall clock as if it were UTC, so that hour = local // 3600 % 24. A row keeps what is wrong with it in
`time_problem`: unparsable time, unknown zone, a local time that its zone skipped.
"""

import re

import polars as pl

MINUTES = r"^[+-]?\d{1,4}(\.0+)?$"
LEAST, MOST = -12 * 60, 14 * 60


def add_times(rows: pl.DataFrame, time_format: str, time_is: str, timezone: str | None) -> pl.DataFrame:
    """
    rows: text columns `time` and, where `timezone` is None, `timezone` (minutes from UTC or zone names; both may
    occur). Adds `utc` and `local` (Int64, null where `time_problem` says why).
    """
    if timezone is not None:
        rows = rows.with_columns(timezone=pl.lit(timezone))
    rows = rows.with_columns(pl.col("time", "timezone").cast(pl.String).str.strip_chars().fill_null(""))
    clock, says_offset = _parse(time_format)
    rows = rows.with_columns(clock=clock, by_minutes=pl.col("timezone").str.contains(MINUTES))
    zones = rows.filter(~pl.col("by_minutes"))["timezone"].unique().sort().to_list()
    known = [zone for zone in zones if _is_zone(zone)]
    is_utc = says_offset or time_is == "utc"
    minutes = pl.col("timezone").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    offset: pl.Expr = pl.when("by_minutes").then(minutes * 60)
    for zone in known:
        offset = pl.when(pl.col("timezone") == zone).then(_zone_offset(zone, is_utc)).otherwise(offset)
    rows = rows.with_columns(offset=offset)
    rows = rows.with_columns(offset=pl.when(pl.col("offset").is_between(LEAST * 60, MOST * 60)).then("offset"))
    problem = (
        pl.when(pl.col("clock").is_null())
        .then(pl.lit("unparsable time"))
        .when(~pl.col("by_minutes") & ~pl.col("timezone").is_in(known))
        .then(pl.lit("unknown time zone"))
        .when(pl.col("by_minutes") & pl.col("offset").is_null())
        .then(pl.lit(f"time zone outside {LEAST}..{MOST} minutes"))
        .when(pl.col("offset").is_null())
        .then(pl.lit("local time that its zone skipped"))
    )
    rows = rows.with_columns(time_problem=problem)
    sign = 1 if is_utc else -1
    other = pl.col("clock") + sign * pl.col("offset")
    utc, local = (pl.col("clock"), other) if is_utc else (other, pl.col("clock"))
    sound = pl.col("time_problem").is_null()
    return rows.with_columns(utc=pl.when(sound).then(utc), local=pl.when(sound).then(local)).drop(
        "clock", "by_minutes", "offset", "timezone"
    )


def _parse(time_format: str) -> tuple[pl.Expr, bool]:
    """The clock in seconds, and whether the text itself tells the distance from UTC."""
    text = pl.col("time")
    if time_format == "epoch":
        return text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False), True
    says_offset = "%z" in time_format or "%:z" in time_format or "%s" in time_format
    kind = pl.Datetime("us", "UTC" if says_offset else None)
    return text.str.strptime(kind, time_format, strict=False).dt.epoch("s"), says_offset


def _zone_offset(zone: str, is_utc: bool) -> pl.Expr:
    """Seconds east of UTC at each clock. A doubled local hour (autumn) is taken as its first pass."""
    clock = pl.from_epoch("clock", time_unit="s")
    if is_utc:
        local = clock.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        return local.dt.epoch("s") - pl.col("clock")
    utc = clock.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.col("clock") - utc.dt.epoch("s")


def _is_zone(zone: str) -> bool:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]*", zone):
        return False
    try:
        pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        return False
    return True
