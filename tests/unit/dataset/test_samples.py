import polars as pl

from refinepoi.dataset.samples import activity, mark_targets

# split, trajectory, user, poi, time; worked by hand below
ROWS = [
    (0, "a1", "a", "p", 1),
    (0, "a1", "a", "q", 2),
    (0, "a1", "a", "r", 3),
    (0, "b1", "b", "s", 4),  # b's first check-in: s is seen in train, but not once first check-ins are gone
    (0, "b1", "b", "q", 5),
    (0, "x1", "a", "p", 6),
    (1, "x1", "a", "r", 7),  # the trajectory crosses the border: one trajectory, its target is in validation
    (1, "a2", "a", "q", 8),
    (1, "a2", "a", "s", 9),  # s: not a target under sthgcn, one under llm4poi
    (1, "b2", "b", "q", 10),
    (1, "b2", "b", "new", 11),  # a POI without train row: no target; llm4poi has only one row left
    (2, "c1", "c", "p", 12),  # a user without train row
    (2, "c1", "c", "q", 13),
    (2, "b3", "b", "new", 14),
    (2, "b3", "b", "q", 15),  # sthgcn: a target; llm4poi: its prefix is gone, so it is none
    (2, "a3", "a", "q", 16),
    (2, "a3", "a", "r", 17),
    (2, "a3", "a", "new", 18),  # sthgcn: the last is unseen, no target; llm4poi: r is
]


def targets(samples: str, train_queries: str = "last") -> tuple[list[int], list[int]]:
    rows = pl.DataFrame(ROWS, schema=["split", "trajectory", "user", "poi", "utc"], orient="row")
    marked = mark_targets(rows, samples, train_queries)
    asked = marked.filter("is_target")
    return asked.filter(pl.col("split") == 0)["utc"].to_list(), asked.filter(pl.col("split") > 0)["utc"].to_list()


def test_sthgcn() -> None:
    assert targets("sthgcn") == ([3, 5], [7, 15])


def test_llm4poi() -> None:
    assert targets("llm4poi") == ([3, 5], [7, 9, 17])


def test_every_train_visit_but_a_trajectorys_first() -> None:
    assert targets("sthgcn", "every") == ([2, 3, 5], [7, 15])
    assert targets("llm4poi", "every") == ([2, 3, 5], [7, 9, 17])


def test_gnpr_asks_for_each_users_last_visit_of_a_split() -> None:
    assert targets("gnpr") == ([5, 6], [9, 10, 15, 17])
    assert targets("gnpr", "every") == ([2, 3, 5, 6], [9, 10, 15, 17])  # 6 is the first of its trajectory, yet asked


def test_a_users_first_visit_is_never_asked() -> None:
    rows = pl.DataFrame(
        [(0, "t", "a", "p", 1), (0, "t", "a", "p", 2), (0, "s", "b", "p", 3), (1, "r", "a", "p", 4)],
        schema=["split", "trajectory", "user", "poi", "utc"],
        orient="row",
    )
    assert mark_targets(rows, "gnpr", "last").filter("is_target")["utc"].to_list() == [2, 4]


def test_activity_groups_count_training_trajectories() -> None:
    trajectories = {0: 1, 1: 2, 2: 2, 3: 5, 4: 9}
    rows = pl.DataFrame(
        [(user, 10 * user + n, 0) for user, count in trajectories.items() for n in range(count)] + [(0, 99, 2)],
        schema={"user": pl.Int32, "trajectory": pl.Int32, "split": pl.Int8},
        orient="row",
    )
    users = pl.DataFrame({"user_id": list("abcdef")})  # the last one has no training trajectory
    assert activity(rows, users, (0.4, 0.8)).to_list() == [0, 0, 0, 1, 2, 0]
    assert activity(rows, users, ()).to_list() == [0] * 6
    assert activity(rows, users, (0.4, 0.8)).dtype == pl.Int8


def test_unseen_rows_are_dropped() -> None:
    rows = pl.DataFrame(ROWS, schema=["split", "trajectory", "user", "poi", "utc"], orient="row")
    for samples in ("sthgcn", "llm4poi", "gnpr"):
        left = mark_targets(rows, samples, "last")["utc"].to_list()
        assert left == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17]
