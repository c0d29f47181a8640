"""Stage `make_trajectories`: read, check, apply the protocol, mark the samples, give indices to users and POIs."""

import logging
from typing import TYPE_CHECKING, Any

from refinepoi.artifacts.files import write_json
from refinepoi.artifacts.trajectories import CHECKINS, POIS, QUERIES, SPLITS, Trajectories
from refinepoi.core.errors import DataError
from refinepoi.core.stage import Context, stage
from refinepoi.dataset.spec import CityDataset, CsvDataset, DatasetSpec, NycDataset

if TYPE_CHECKING:
    import polars as pl

    from refinepoi.dataset.report import Report

log = logging.getLogger("refinepoi")


@stage(version=1, makes=Trajectories, name="make_trajectories")
def make_trajectories(context: Context, spec: DatasetSpec) -> None:
    """Writes the Trajectories and `report.json`. Raises DataError where the data is unusable, naming file and line."""
    trajectories = trajectories_of(spec)
    trajectories.save(context.folder)
    write_json(context.folder / "report.json", trajectories.facts["report"])
    tell(context, trajectories.facts)


def trajectories_of(spec: DatasetSpec) -> Trajectories:
    """The artifact of a dataset spec, in memory."""
    from refinepoi.dataset import clean, protocol, samples
    from refinepoi.dataset.report import Report
    from refinepoi.dataset.sources import read_city, read_csv, read_nyc

    report, steps = Report(spec.cleaning.listed), protocol.Steps()
    published = isinstance(spec, NycDataset)
    match spec:
        case CityDataset():
            rows = read_city(spec, report)
        case NycDataset():
            rows = read_nyc(spec, report)
        case CsvDataset():
            rows = read_csv(spec, report)
    rows = clean.put_in_order(clean.check_rows(rows, spec.cleaning, report), published)
    report.refuse_beyond("bad", spec.cleaning.max_bad_share, "dataset.cleaning.max_bad_share")
    if not rows.height:
        raise DataError(f"no usable check-in among {report.rows_read} rows of the {spec.kind} data; give other data")
    steps.add("usable rows", rows)
    rows = clean.drop_exact_duplicates(rows, spec.cleaning, report)
    report.refuse_beyond("duplicates", spec.cleaning.max_duplicate_share, "dataset.cleaning.max_duplicate_share")
    if not isinstance(spec, NycDataset):
        rows = clean.drop_near_duplicates(rows, spec.protocol.near_duplicate_minutes, report)
        steps.add("duplicates dropped", rows)
        rows = protocol.apply_protocol(rows, spec.protocol, steps)
    rows = samples.mark_targets(rows, spec.protocol.samples, spec.protocol.train_queries)
    steps.add("unseen users and POIs dropped", rows)
    return assemble(rows, spec, report, steps.counts)


def assemble(rows: "pl.DataFrame", spec: DatasetSpec, report: "Report", steps: list[dict[str, Any]]) -> Trajectories:
    """rows: in order, with `split`, `trajectory` and `is_target`. Indices follow sorted names, not the input order."""
    import polars as pl

    from refinepoi.dataset.clean import one_place_a_poi

    pois = one_place_a_poi(rows.filter(pl.col("split") == 0), report)
    users = rows.select("user").unique().sort("user")
    rows = (
        rows.join(users.with_row_index("user_row"), on="user", maintain_order="left")
        .join(pois.select("poi").with_row_index("poi_row"), on="poi", maintain_order="left")
        .sort("utc", "user_row", maintain_order=True)
    )
    names = rows.select("trajectory").unique(maintain_order=True).with_row_index("trajectory_row")
    rows = rows.join(names, on="trajectory", maintain_order="left")
    checkins = rows.select(
        user="user_row", poi="poi_row", utc="utc", local="local", trajectory="trajectory_row", split="split"
    ).cast(CHECKINS)  # type: ignore[arg-type]
    asked = checkins.with_row_index("row").filter(rows["is_target"]).sort("split", "row")
    queries = asked.select("split", "user", "trajectory", "row", target="poi").cast(QUERIES)  # type: ignore[arg-type]
    for number, split in enumerate(SPLITS):
        if not queries.filter(pl.col("split") == number).height:
            raise DataError(f"the {split} split has no samples; give more check-ins or loosen dataset.protocol")
    catalogue = pois.with_columns(in_train=pl.lit(True)).rename({"poi": "poi_id"}).select(list(POIS))
    facts = {
        "protocol": protocol_facts(spec),
        "counts": {"steps": steps, "splits": split_counts(checkins, queries)},
        "report": report.facts(),
    }
    return Trajectories(checkins, catalogue, users.rename({"user": "user_id"}), queries, facts)


def protocol_facts(spec: DatasetSpec) -> dict[str, Any]:
    """What is said with every number: data, how it was split, which visits are asked for."""
    facts: dict[str, Any] = spec.protocol.model_dump(mode="json")
    match spec:
        case NycDataset():
            return {"dataset": "nyc", "split": "published", "files": spec.fingerprint, **facts}
        case CsvDataset():
            return {"dataset": spec.name, "split": "global time", "files": spec.fingerprint, **facts}
        case CityDataset():
            return {"dataset": "city", "split": "global time", "seed": spec.seed, **facts}


def split_counts(checkins: "pl.DataFrame", queries: "pl.DataFrame") -> dict[str, dict[str, int]]:
    counts = {}
    for number, split in enumerate(SPLITS):
        rows = checkins.filter(checkins["split"] == number)
        counts[split] = {
            "checkins": rows.height,
            "users": rows["user"].n_unique(),
            "pois": rows["poi"].n_unique(),
            "trajectories": rows["trajectory"].n_unique(),
            "samples": int((queries["split"] == number).sum()),
        }
    return counts


def tell(context: Context, facts: dict[str, Any]) -> None:
    """Counts into the curve and a table; a line on the console where rows were unusable."""
    counts, report = facts["counts"], facts["report"]
    context.log.metrics({f"{split}_{what}": n for split, row in counts["splits"].items() for what, n in row.items()}, 0)
    columns = ["step", "checkins", "users", "pois"]
    context.log.table("steps", columns, [[step[c] for c in columns] for step in counts["steps"]])
    columns = ["kind", "file", "line", "reason", "detail"]
    context.log.table("report", columns, [[row[c] for c in columns] for row in report["rows"]])
    for kind, level in (("bad", logging.WARNING), ("duplicates", logging.INFO), ("remarks", logging.INFO)):
        for reason, count in report[kind].items():
            log.log(level, "%s: %d of %d rows: %s (see report.json)", context.stage, count, report["rows_read"], reason)
