"""Which visits are asked for: the sample rules of STHGCN and LLM4POI (docs/method.md section 4).

`sthgcn`   the first check-in of each trajectory is ignored; the target is the trajectory's last check-in; it counts
           if its user and POI are seen in train, judged after the first check-ins are gone. NYC: 1,400 and 1,348.
`llm4poi`  check-ins of validation and test whose user or POI is not in train are dropped; the target is the last one
           left, if one is left before it. NYC: 1,458 and 1,429.
Train samples: `last` = the same rule; `every` = each check-in but a trajectory's first. A sample belongs to the split
of its target.
"""

import polars as pl


def drop_unseen(rows: pl.DataFrame) -> pl.DataFrame:
    """Drops validation and test rows whose user or POI has no row in train."""
    return rows.filter(_seen_in(rows.filter(pl.col("split") == 0)))


def mark_targets(rows: pl.DataFrame, samples: str, train_queries: str) -> pl.DataFrame:
    """rows: all split trajectories, in order of time. Returns the rows that stay, with `is_target`."""
    if samples == "sthgcn":
        later = _position() > 0
        known = rows.filter(later & (pl.col("split") == 0))
        asked = later & _seen_in(known)
        rows = rows.with_columns(asked=asked, last=_is_last())
        rows = drop_unseen(rows)
    else:
        rows = drop_unseen(rows).with_columns(asked=_position() > 0, last=_is_last())
    if train_queries == "every":
        rows = rows.with_columns(last=pl.col("last") | (pl.col("split") == 0))
    return rows.with_columns(is_target=pl.col("asked") & pl.col("last")).drop("asked", "last")


def _position() -> pl.Expr:
    return pl.int_range(pl.len()).over("trajectory")


def _is_last() -> pl.Expr:
    return _position() == pl.len().over("trajectory") - 1


def _seen_in(train: pl.DataFrame) -> pl.Expr:
    users, pois = (train[c].unique().to_list() for c in ("user", "poi"))
    return pl.col("user").is_in(users) & pl.col("poi").is_in(pois)
