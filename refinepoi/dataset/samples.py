"""Which visits are asked for: the sample rules of STHGCN, LLM4POI and GNPR-SID (docs/method.md section 4).

`sthgcn`   the first check-in of each trajectory is ignored; the target is the trajectory's last check-in; it counts
           if its user and POI are seen in train, judged after the first check-ins are gone. NYC: 1,400 and 1,348.
`llm4poi`  check-ins of validation and test whose user or POI is not in train are dropped; the target is the last one
           left, if one is left before it. NYC: 1,458 and 1,429.
`gnpr`     unseen ones dropped; one case a user and split: the user's last check-in there, if any came before it.
Train samples: `last` = the same rule; `every` = each check-in but a trajectory's first. A sample belongs to the split
of its target. Departure for `gnpr`: the published code takes a validation user's last check-in of all, which lies in
the test period; here it is the last one of the validation split.
"""

import numpy as np
import polars as pl


def drop_unseen(rows: pl.DataFrame) -> pl.DataFrame:
    """Drops validation and test rows whose user or POI has no row in train."""
    train = rows.filter(pl.col("split") == 0)
    return rows.filter((pl.col("split") == 0) | _seen_in(rows, train))


def unseen_counts(rows: pl.DataFrame, splits: tuple[str, ...]) -> list[dict[str, str | int]]:
    """Of validation and test: check-ins of users or POIs without a row in train, such users, such POIs."""
    train = rows.filter(pl.col("split") == 0)
    counts: list[dict[str, str | int]] = []
    for number, split in enumerate(splits[1:], start=1):
        part = rows.filter(pl.col("split") == number)
        new = {c: part.filter(~part[c].is_in(train[c].unique().implode()))[c].n_unique() for c in ("user", "poi")}
        lost = part.height - int(_seen_in(part, train).sum())
        counts.append({"split": split, "checkins": lost, "users": new["user"], "pois": new["poi"]})
    return counts


def mark_targets(rows: pl.DataFrame, samples: str, train_queries: str) -> pl.DataFrame:
    """rows: all split trajectories, in order of time. Returns the rows that stay, with `is_target`."""
    if samples == "sthgcn":
        rows = rows.with_columns(first=_is_first("trajectory"), last=_is_last("trajectory"))
        known = rows.filter(~pl.col("first") & (pl.col("split") == 0))
        rows = rows.with_columns(asked=~pl.col("first") & _seen_in(rows, known))
        rows = drop_unseen(rows)
    elif samples == "llm4poi":
        rows = drop_unseen(rows)
        rows = rows.with_columns(first=_is_first("trajectory"), last=_is_last("trajectory"))
        rows = rows.with_columns(asked=~pl.col("first"))
    else:
        rows = drop_unseen(rows)
        rows = rows.with_columns(
            first=_is_first("trajectory"), last=_is_last("user", "split"), asked=~_is_first("user")
        )
    asked, every = pl.col("asked") & pl.col("last"), ~pl.col("first") & (pl.col("split") == 0)
    if train_queries == "every":
        asked = asked.or_(every & pl.col("asked"))
    return rows.with_columns(is_target=asked).drop("asked", "last", "first")


def _is_first(*groups: str) -> pl.Expr:
    return pl.struct(groups).is_first_distinct() if len(groups) > 1 else pl.col(groups[0]).is_first_distinct()


def _is_last(*groups: str) -> pl.Expr:
    return pl.struct(groups).is_last_distinct() if len(groups) > 1 else pl.col(groups[0]).is_last_distinct()


def _seen_in(rows: pl.DataFrame, train: pl.DataFrame) -> pl.Series:
    """[rows] whether user and POI of each row occur in `train`."""
    seen = pl.Series([True]).new_from_index(0, rows.height)
    for column in ("user", "poi"):
        seen &= rows[column].is_in(train[column].unique().implode())
    return seen


def activity(rows: pl.DataFrame, users: pl.DataFrame, cuts: tuple[float, ...]) -> pl.Series:
    """
    Each user's group by number of training trajectories, Int8 [users], 0 = least active. `cuts`: shares of users;
    equal numbers always fall into one group. rows: checkins with `user` (row of `users`), `trajectory`, `split`.
    """
    train = rows.filter(pl.col("split") == 0).group_by("user").agg(pl.col("trajectory").n_unique())
    counts = np.zeros(users.height, np.int64)
    counts[train["user"].to_numpy()] = train["trajectory"].to_numpy()
    borders = [np.quantile(counts, cut, method="nearest") for cut in cuts]
    return pl.Series("activity", sum((counts > border for border in borders), np.zeros(users.height, np.int8)), pl.Int8)
