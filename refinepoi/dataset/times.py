"""Clocks: the text of a time and of a time zone -> seconds UTC and seconds of the local wall clock.

`local` counts the wall clock as if it were UTC, so that hour = local // 3600 % 24. A row keeps what is wrong with it in
`time_problem`: unparsable time, unknown zone, a local time that its zone skipped. Zone `longitude` is nautical time, a
whole hour for every 15 degrees, for data that tells no zone: up to an hour or two from the legal clock.
"""

import re

import polars as pl

from refinepoi.dataset.time_format import NAUTICAL, tells_offset, tells_utc

MINUTES = r"^[+-]?\d{1,4}(\.0+)?$"
LEAST, MOST = -12 * 60, 14 * 60


def add_times(rows: pl.DataFrame, time_format: str, time_is: str, timezone: str | None) -> pl.DataFrame:
    """
    rows: text columns `time` and, where `timezone` is None, `timezone` (minutes from UTC or zone names; both may
    occur). Adds `utc` and `local` (Int64, null where `time_problem` says why).
    """
    is_utc = tells_utc(time_format) or time_is == "utc"
    rows = rows.with_columns(clock=_parse(time_format))
    if timezone == NAUTICAL:
        longitude = pl.col("longitude").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        hours = (longitude.clip(-180, 180) / 15).round()
        hours = pl.when(hours.is_finite()).then(hours).otherwise(0)  # such a place is refused by `clean.check_rows`
        rows = rows.with_columns(offset=hours.cast(pl.Int64) * 3600, zone_problem=pl.lit(None, pl.String))
    else:
        zone = pl.lit(timezone) if timezone is not None else pl.col("timezone")
        rows = rows.with_columns(timezone=zone.cast(pl.String).fill_null(""))
        rows = _with_offsets(rows, is_utc)
    problem = (
        pl.when(pl.col("clock").is_null())
        .then(pl.lit("unparsable time"))
        .when(pl.col("zone_problem").is_not_null())
        .then(pl.col("zone_problem"))
        .when(pl.col("offset").is_null())
        .then(pl.lit("local time that its zone skipped"))
    )
    rows = rows.with_columns(time_problem=problem)
    other = pl.col("clock") + (1 if is_utc else -1) * pl.col("offset")
    utc, local = (pl.col("clock"), other) if is_utc else (other, pl.col("clock"))
    sound = pl.col("time_problem").is_null()
    return rows.with_columns(utc=pl.when(sound).then(utc), local=pl.when(sound).then(local)).drop(
        "clock", "offset", "zone_problem", "timezone", strict=False
    )


def _with_offsets(rows: pl.DataFrame, is_utc: bool) -> pl.DataFrame:
    """Adds `offset` (seconds east of UTC) and `zone_problem`, judging each spelling of a zone once."""
    spellings = rows["timezone"].unique().sort()
    told = spellings.to_frame().with_columns(zone=pl.col("timezone").str.strip_chars())
    minutes = pl.col("zone").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    told = told.with_columns(minutes=pl.when(pl.col("zone").str.contains(MINUTES)).then(minutes))
    known = [zone for zone in told.filter(pl.col("minutes").is_null())["zone"].unique().sort() if _is_zone(zone)]
    inside = pl.col("minutes").is_between(LEAST, MOST)
    problem = (
        pl.when(pl.col("minutes").is_null() & ~pl.col("zone").is_in(known))
        .then(pl.lit("unknown time zone"))
        .when(~inside)
        .then(pl.lit(f"time zone outside {LEAST}..{MOST} minutes"))
    )
    told = told.with_columns(offset=pl.when(inside).then(pl.col("minutes") * 60), zone_problem=problem)
    rows = rows.join(told.drop("minutes"), on="timezone", how="left", maintain_order="left")
    if not known:
        return rows.drop("zone")
    rows = rows.with_row_index("order")
    named = pl.col("zone").is_in(known)
    parts = [rows.filter(~named)]
    parts += [
        part.with_columns(offset=_zone_offset(str(zone), is_utc))
        for (zone,), part in rows.filter(named).partition_by("zone", as_dict=True, maintain_order=True).items()
    ]
    return (pl.concat(parts).sort("order") if len([p for p in parts if p.height]) > 1 else pl.concat(parts)).drop(
        "zone", "order"
    )


def _parse(time_format: str) -> pl.Expr:
    """The clock in seconds."""
    text = pl.col("time").cast(pl.String).str.strip_chars().fill_null("")
    if time_format == "epoch":
        return text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
    kind = pl.Datetime("us", "UTC" if tells_offset(time_format) else None)
    return text.str.strptime(kind, time_format, strict=False).dt.epoch("s")


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
