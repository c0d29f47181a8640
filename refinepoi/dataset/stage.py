"""Stage `make_trajectories`: read, check, apply the protocol, mark the samples, give indices to users and POIs."""

import logging
from typing import TYPE_CHECKING, Any

from refinepoi.artifacts.files import write_json
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.stage import Context, stage
from refinepoi.dataset.file_spec import LbsnDataset, SplitDataset, TextDataset
from refinepoi.dataset.remote_spec import FromFiles
from refinepoi.dataset.spec import CityDataset, DatasetSpec, OneDataset, PairDataset

if TYPE_CHECKING:
    import polars as pl

    from refinepoi.dataset.clean import Names
    from refinepoi.dataset.protocol import Steps
    from refinepoi.dataset.report import Report

log = logging.getLogger("refinepoi")


@stage(version=3, makes=Trajectories, name="make_trajectories")
def make_trajectories(context: Context, spec: DatasetSpec) -> None:
    """Writes the Trajectories and `report.json`. Raises DataError where the data is unusable, naming file and line."""
    from refinepoi.dataset.download import fetch_all

    for part in (spec.train, spec.test) if isinstance(spec, PairDataset) else (spec,):
        if isinstance(part, FromFiles):
            fetch_all(part, context.progress)
    trajectories = trajectories_of(spec)
    trajectories.save(context.folder)
    write_json(context.folder / "report.json", trajectories.facts["report"])
    tell(context, trajectories.facts)


def trajectories_of(spec: DatasetSpec) -> Trajectories:
    """The artifact of a dataset spec, in memory."""
    if isinstance(spec, PairDataset):
        from refinepoi.dataset.pair import pair

        return pair(trajectories_of(spec.train), trajectories_of(spec.test))
    from refinepoi.dataset.assemble import assemble
    from refinepoi.dataset.protocol import Steps, apply_protocol
    from refinepoi.dataset.report import Report
    from refinepoi.dataset.samples import mark_targets, unseen_counts

    report, steps = Report(spec.cleaning.listed), Steps()
    rows, names = checked_rows(spec, report, steps)
    if not isinstance(spec, SplitDataset):
        rows = apply_protocol(rows, spec.protocol, steps)
    unseen = unseen_counts(rows, SPLITS)
    rows = mark_targets(rows, spec.protocol.samples, spec.protocol.train_queries)
    steps.add("unseen users and POIs dropped", rows)
    counts = {"steps": steps.counts, "unseen": unseen}
    made = assemble(rows, names, protocol_facts(spec), spec.protocol.activity_groups, report, counts)
    if isinstance(spec, CityDataset) and spec.cities == 1:
        from refinepoi.dataset.oracle import bounds

        made.facts["oracle"] = bounds(spec.city, spec.seed, made)
    return made


def checked_rows(spec: OneDataset, report: "Report", steps: "Steps") -> "tuple[pl.DataFrame, Names]":
    """The one checked table every source ends in: in order, without duplicates, names as numbers."""
    from refinepoi.dataset import clean, sources

    match spec:
        case CityDataset():
            blocks = sources.read_city(spec, report)
        case SplitDataset():
            blocks = sources.read_split(spec, report)
        case TextDataset():
            blocks = sources.read_text(spec, report)
        case LbsnDataset():
            blocks = sources.read_lbsn(spec, report)
    rows, names = clean.number_names(blocks)
    report.refuse_beyond("bad", spec.cleaning.max_bad_share, "dataset.cleaning.max_bad_share")
    compare_count(spec, report.rows_read)
    if not rows.height:
        raise DataError(f"no usable check-in among {report.rows_read} rows of the {spec.kind} data; give other data")
    steps.add("usable rows", rows)
    if not isinstance(spec, LbsnDataset):  # its UTC is made up
        clean.remark_clocks(rows, report)
    if isinstance(spec, TextDataset) and spec.region is not None:
        from refinepoi.dataset.regions import inside

        kept = inside(spec.region, rows["latitude"].to_numpy(), rows["longitude"].to_numpy())
        report.left_out[f"outside {spec.region}"] = int((~kept).sum())
        rows = rows.filter(kept)
        if not rows.height:
            raise DataError(f"dataset.region: no check-in lies in {spec.region}; give other data, or null")
        steps.add(f"inside {spec.region}", rows)
    rows = clean.put_in_order(rows, published=isinstance(spec, SplitDataset))
    rows = clean.drop_exact_duplicates(rows, spec.cleaning, report)
    report.refuse_beyond("duplicates", spec.cleaning.max_duplicate_share, "dataset.cleaning.max_duplicate_share")
    if not isinstance(spec, SplitDataset):
        rows = clean.drop_near_duplicates(rows, spec.protocol.near_duplicate_minutes, report)
        steps.add("duplicates dropped", rows)
    return rows, names


def compare_count(spec: OneDataset, rows_read: int) -> None:
    """
    A fetched file with another number of check-ins than its authors count is refused; one that was given may be a part.
    """
    if not isinstance(spec, FromFiles):
        return
    for remote in (r for r in spec.remote if r.sets == "path" and r.rows not in (None, rows_read)):
        if remote in spec.wanted():
            raise DataError(f"{remote.file}: {rows_read} rows, published with {remote.rows}; delete it from the cache")
        log.warning("dataset.path: %d rows; its authors count %d in %s", rows_read, remote.rows, remote.file)


def protocol_facts(spec: OneDataset) -> dict[str, Any]:
    """What is said with every number: data, how it was split, which visits are asked for."""
    facts: dict[str, Any] = spec.protocol.model_dump(mode="json")
    by = {"time": "global time", "last_trajectory": "last trajectory of each user", "last_visit": "leave one out"}
    split = by[facts["split"]] if "split" in facts else "published"
    match spec:
        case SplitDataset():
            return {**facts, "dataset": spec.kind, "split": split, "files": spec.fingerprint}
        case CityDataset():
            name = "city" if spec.cities == 1 else f"{spec.cities} cities"
            return {**facts, "dataset": name, "split": split, "seed": spec.seed}
        case _:
            return {**facts, "dataset": spec.name, "split": split, "files": spec.fingerprint}


def tell(context: Context, facts: dict[str, Any]) -> None:
    """Counts into the curve and a table; a line on the console where rows were unusable."""
    from refinepoi.dataset.clean import MOST_CLOCKS_OFF

    counts, report = facts["counts"], facts["report"]
    context.log.metrics({f"{split}_{what}": n for split, row in counts["splits"].items() for what, n in row.items()}, 0)
    columns = ["step", "checkins", "users", "pois"]
    context.log.table("steps", columns, [[step[c] for c in columns] for step in counts["steps"]])
    columns = ["kind", "file", "line", "reason", "detail"]
    context.log.table("report", columns, [[row[c] for c in columns] for row in report["rows"]])
    levels = {"bad": logging.WARNING, "duplicates": logging.INFO, "left_out": logging.INFO, "remarks": logging.INFO}
    for kind, level in levels.items():
        for reason, count in report[kind].items():
            urgent = logging.WARNING if reason.endswith(MOST_CLOCKS_OFF) else level
            total = report["rows_read"]
            log.log(urgent, "%s: %d of %d rows: %s (see report.json)", context.stage, count, total, reason)
