"""What a finished run leaves behind: metrics.json, predictions.parquet, pictures, a table; and a sweep's last table."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from refinepoi.core.store import CURVE, read_manifest
from refinepoi.core.tracking import Tracker
from refinepoi.pipeline import Pipeline


def write_run_folder(folder: Path, pipeline: Pipeline, tracker: Tracker) -> dict[str, Any]:
    """Fill the run folder from what the pipeline has made. Returns the outcome: objective, metrics, table."""
    from refinepoi.evaluation.plots import draw_curves, draw_methods
    from refinepoi.evaluation.table import metrics_table, strata_table

    records = pipeline.store.records
    pictures = folder / "pictures"
    curves: dict[str, list[dict[str, float]]] = {}
    for name, record in records.items():
        artifact = pipeline.store.root / record["stage"] / record["key"]
        record["built_in_seconds"] = read_manifest(artifact)["seconds"]
        for picture in sorted((artifact / "pictures").glob("*.png")):
            pictures.mkdir(exist_ok=True)
            shutil.copyfile(picture, pictures / picture.name)
            tracker.image(f"{name}/{picture.stem}", picture)
        rows = json.loads((artifact / CURVE).read_text(encoding="utf-8"))
        if rows:
            curves[name] = rows
    if curves:
        pictures.mkdir(exist_ok=True)
        if draw_curves(curves, pictures / "curves.png"):
            tracker.image("curves", pictures / "curves.png")
    tracker.summary({f"store/{name}": record["key"] for name, record in records.items()})
    if pipeline.spec.goal != "metrics":
        _write_json(folder / "stages.json", records)
        return {}

    content = pipeline.metrics.load().content | {"stages": records}
    _write_json(folder / "metrics.json", content)
    _write_predictions(folder / "predictions.parquet", pipeline, tracker)
    draw_methods(content, pictures / "methods.png")
    tracker.image("methods", pictures / "methods.png")
    table = metrics_table(content)
    (folder / "table.md").write_text(f"{table}\n\n{strata_table(content)}\n", encoding="utf-8")
    policy, validation = content["methods"]["policy"], content["validation"]["methods"]["policy"]
    numbers = {k: v for k, v in policy.items() if isinstance(v, int | float)}
    tracker.summary({f"eval/{k}": v for k, v in numbers.items()})
    tracker.summary({f"validation/{k}": v for k, v in validation.items() if isinstance(v, int | float)})
    return {"objective": validation["MRR"], "metrics": numbers, "table": table}


def _write_predictions(path: Path, pipeline: Pipeline, tracker: Tracker) -> None:
    """The lists of the policy and of the model before GRPO, with POI names, as one table."""
    trajectories = pipeline.trajectories.load()
    lists = [
        predictions.load().table.with_columns(pl.lit(method).alias("method"))
        for method, predictions in (
            ("policy", pipeline.predictions),
            ("warm_start", pipeline.warm_start_predictions),
        )
    ]
    pois = trajectories.pois.select("poi_id", "category").with_row_index("poi").cast({"poi": pl.Int32})
    targets = trajectories.queries.select("split", "target").with_row_index("query").cast({"query": pl.Int32})
    table = pl.concat(lists).join(pois, on="poi", how="left").join(targets, on="query", how="left")
    table = table.sort("method", "query", "rank")
    table.write_parquet(path)
    first = table.filter((pl.col("method") == "policy") & (pl.col("split") == 2))
    sample = first.filter(pl.col("query").is_in(first["query"].unique(maintain_order=True).head(20).to_list()))
    tracker.table("predictions", sample.columns, [list(row) for row in sample.iter_rows()])


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def sweep_table(folder: Path, jobs: int) -> tuple[str, int]:
    """One line a job: overrides, result or error. Returns the text and how many jobs are not done."""
    rows, failed = [], 0
    for number in range(jobs):
        file = folder / str(number) / "outcome.json"
        outcome: dict[str, Any] = {"status": "missing"}
        if file.exists():
            outcome = json.loads(file.read_text(encoding="utf-8"))
        failed += outcome["status"] != "done"
        metrics = outcome.get("metrics", {})
        shown = "  ".join(f"{name} {metrics[name]:.4f}" for name in ("Acc@1", "Acc@10", "MRR") if name in metrics)
        last = shown or str(outcome.get("error", ""))[:80]
        objective = f"validation MRR {outcome['objective']:.4f}" if "objective" in outcome else ""
        overrides = " ".join(outcome.get("overrides", []))
        rows.append(f"{number:>3}  {outcome['status']:<11} {objective:<22} {last}  {overrides}")
    return "\n".join(rows), failed
