"""What cleaning found: how many rows, why, and the first of them by file and line. Saved as `report.json`."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from refinepoi.core.errors import DataError

REMEDIES = {
    "unparsable time": "look at dataset.time_format and dataset.columns.time",
    "unknown time zone": "look at dataset.columns.timezone and dataset.timezone",
    "coordinate out of range": "look at dataset.columns.latitude and dataset.columns.longitude",
    "coordinate is no number": "look at dataset.columns.latitude and dataset.columns.longitude",
    "time out of range": "look at dataset.cleaning.earliest and dataset.cleaning.latest",
}
"""What to do where most rows fail for one reason: the settings are more likely wrong than the data."""


@dataclass
class Report:
    """
    Unusable rows ("bad"), duplicates, remarks and sound rows that the settings leave out, counted by reason; the first
    `listed` of each are kept.
    """

    listed: int
    rows_read: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, found: pl.DataFrame) -> None:
        """kind: a field of this class. found: columns `file`, `line`, `reason` and, if known, `detail`."""
        if not found.height:
            return
        counts: dict[str, int] = getattr(self, kind)
        if "detail" not in found.columns:
            found = found.with_columns(detail=pl.lit(""))
        found = found.with_columns(pl.col("file").cast(pl.String))
        for reason, count in found.group_by("reason").len().sort("reason").iter_rows():
            counts[reason] = counts.get(reason, 0) + count
            kept = sum(row["kind"] == kind and row["reason"] == reason for row in self.rows)
            first = found.filter(pl.col("reason") == reason).sort("file", "line").head(max(0, self.listed - kept))
            for row in first.select("file", "line", "reason", "detail").iter_rows(named=True):
                self.rows.append({**row, "detail": row["detail"][:80], "kind": kind})

    def refuse_beyond(self, kind: str, share: float, setting: str) -> None:
        """DataError where more than `share` of all rows are of this kind."""
        counts: dict[str, int] = getattr(self, kind)
        total = sum(counts.values())
        if total <= share * self.rows_read:
            return
        first = next(row for row in self.rows_by_place() if row["kind"] == kind) if self.listed else None
        place = (
            f"; the first is {first['file']} line {first['line']}: {first['reason']} {first['detail']}".rstrip()
            if first
            else ""
        )
        commonest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        reasons = ", ".join(f"{count} {reason}" for reason, count in commonest[:5]) + (
            ", ..." if len(commonest) > 5 else ""
        )
        reason, count = commonest[0]
        remedy = REMEDIES.get(reason, "Mend the data") if 2 * count > self.rows_read else "Mend the data"
        remedy = remedy[:1].upper() + remedy[1:]
        raise DataError(
            f"{total} of {self.rows_read} rows are {'unusable' if kind == 'bad' else 'duplicates'} ({reasons}){place}. "
            f"{remedy}, or raise {setting} (now {share:g})"
        )

    def rows_by_place(self) -> list[dict[str, Any]]:
        return sorted(self.rows, key=lambda row: (row["file"], row["line"], row["reason"]))

    def facts(self) -> dict[str, Any]:
        return {
            "rows_read": self.rows_read,
            "bad": self.bad,
            "duplicates": self.duplicates,
            "remarks": self.remarks,
            "left_out": self.left_out,
            "rows": self.rows_by_place(),
        }
