"""What a time format says of the clock, without the library that parses it."""

NAUTICAL = "longitude"
"""Zone by whole hours of longitude, for data that tells no zone."""
OFFSETS = ("%z", "%:z", "%#z", "%s")


def tells_offset(time_format: str) -> bool:
    """Whether each time tells its own distance from UTC."""
    return any(code in time_format for code in OFFSETS)


def tells_utc(time_format: str) -> bool:
    """Whether a time of this format is UTC, whatever `time_is` says: by an offset, a final Z, or since 1970."""
    return time_format == "epoch" or time_format.endswith("Z") or tells_offset(time_format)
