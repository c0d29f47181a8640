"""Two data sets as one: trained and validated on the first, tested on the second (cross-city).

Of the first stay training and validation rows; every row of the second is a test row, so its people's pasts can be seen
as history but are nowhere trained on, and its samples are the test samples of its own protocol. Its places stand behind
the first one's in the catalogue with `in_train` false. Ids carry the name of their data set, so nothing is shared but
categories (by name).
"""

from typing import Any

import numpy as np
import polars as pl

from refinepoi.artifacts.trajectories import CHECKINS, QUERIES, SPLITS, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.dataset.assemble import split_counts

SAME = 0.001
"""More equal check-ins (user, POI, second) than this share are no coincidence."""
TEST = SPLITS.index("test")


def pair(train: Trajectories, test: Trajectories) -> Trajectories:
    """One artifact of both. DataError where the two hold the same check-ins."""
    refuse_same(train, test)
    names = [str(part.facts["protocol"]["dataset"]) for part in (train, test)]
    if names[0] == names[1]:
        names = [f"{names[0]}-train", f"{names[1]}-test"]
    first = train.checkins.with_row_index("old").filter(pl.col("split") < TEST).with_columns(part=pl.lit(0))
    shifts = {"user": train.users.height, "poi": train.pois.height, "trajectory": _count(train.checkins["trajectory"])}
    moved = [(pl.col(column) + by).alias(column) for column, by in shifts.items()]
    second = test.checkins.with_row_index("old").with_columns(*moved, split=pl.lit(TEST), part=pl.lit(1))
    rows = pl.concat([first, second], how="vertical_relaxed").sort("utc", "user", maintain_order=True)
    checkins = rows.select(list(CHECKINS)).cast(CHECKINS)  # type: ignore[arg-type]
    queries = []
    for part, (data, keep) in enumerate(((train, pl.col("split") < TEST), (test, pl.col("split") == TEST))):
        place = np.full(data.checkins.height, -1)
        mine = rows["part"].to_numpy() == part
        place[rows["old"].to_numpy()[mine]] = np.flatnonzero(mine)
        queries.append(place[data.queries.filter(keep)["row"].to_numpy()])
    asked = np.concatenate(queries)
    found = checkins[asked].select("split", "user", "trajectory", pl.Series("row", asked), target="poi")
    pois = [
        part.pois.with_columns(pl.format(f"{name}/{{}}", "poi_id").alias("poi_id"), in_train=pl.lit(known))
        for part, name, known in ((train, names[0], True), (test, names[1], False))
    ]
    users = [
        part.users.with_columns(pl.format(f"{name}/{{}}", "user_id").alias("user_id"))
        for part, name in zip((train, test), names, strict=True)
    ]
    ordered = found.cast(QUERIES).sort("split", "row")  # type: ignore[arg-type]
    facts = _facts(train, test, names, checkins, ordered)
    return Trajectories(checkins, pl.concat(pois), pl.concat(users), ordered, facts)


def refuse_same(train: Trajectories, test: Trajectories) -> None:
    """The same data in another file or format would be tested on what it was trained on."""
    first, second = (
        pl.DataFrame(
            {
                "user": part.users["user_id"].gather(part.checkins["user"]),
                "poi": part.pois["poi_id"].gather(part.checkins["poi"]),
                "utc": part.checkins["utc"],
            }
        )
        for part in (train, test)
    )
    if train.facts["protocol"]["dataset"] == test.facts["protocol"]["dataset"] == "city":
        return  # simulated people and places are only numbered
    equal = second.join(first, on=["user", "poi", "utc"], how="semi").height
    if equal > SAME * second.height:
        raise DataError(
            f"dataset.test: {equal} of {second.height} check-ins are in dataset.train, too; give data of another city"
        )


def _facts(
    train: Trajectories, test: Trajectories, names: list[str], checkins: pl.DataFrame, queries: pl.DataFrame
) -> dict[str, Any]:
    parts = {"train": train.facts, "test": test.facts}
    both = [part.facts["protocol"] for part in (train, test)]
    protocol = {
        key: both[0].get(key) if both[0].get(key) == both[1].get(key) else f"{both[0].get(key)} -> {both[1].get(key)}"
        for key in dict.fromkeys([*both[0], *both[1]])
        if key not in ("seed", "files")
    }
    lost = [*train.facts["counts"]["unseen"][:1], *test.facts["counts"]["unseen"][1:]]
    categories = [set(part.pois["category"]) for part in (train, test)]
    return {
        "protocol": {
            **protocol,
            "dataset": " -> ".join(names),
            "split": "cross-city",
            "parts": {name: facts["protocol"] for name, facts in parts.items()},
        },
        "counts": {
            "steps": [
                {**step, "step": f"{name}: {step['step']}"}
                for name, facts in parts.items()
                for step in facts["counts"]["steps"]
            ],
            "splits": split_counts(checkins, queries),
            "unseen": lost,
            "shared_categories": len(categories[0] & categories[1]),
            "new_categories": len(categories[1] - categories[0]),
        },
        "report": {
            "rows_read": sum(facts["report"]["rows_read"] for facts in parts.values()),
            "rows": [row for facts in parts.values() for row in facts["report"]["rows"]],
            **{
                kind: {f"{n}: {reason}": c for n, f in parts.items() for reason, c in f["report"][kind].items()}
                for kind in ("bad", "duplicates", "remarks", "left_out")
            },
        },
    }


def _count(numbers: pl.Series) -> int:
    return int(numbers.max() or 0) + 1  # type: ignore[arg-type]
