"""What a finished run leaves behind, and a sweep's last table.

metrics.json, ranks.parquet, curves.json and pictures/ are all that `goal=report` reads: run folders can be copied
elsewhere and compared without the store.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from refinepoi.core.store import CURVE, MANIFEST, read_manifest
from refinepoi.core.tracking import Tracker
from refinepoi.pipeline import Pipeline

MANIFESTS = "manifests.json"


def write_run_folder(folder: Path, pipeline: Pipeline, tracker: Tracker) -> dict[str, Any]:
    """Fill the run folder from what the pipeline has made. Returns the outcome: objective, metrics, table."""
    from refinepoi.evaluation.plots import draw_curves, draw_methods
    from refinepoi.evaluation.table import metrics_table, strata_table

    records = pipeline.store.records
    pictures = folder / "pictures"
    curves: dict[str, list[dict[str, float]]] = {}
    manifests: dict[str, Any] = {}
    for name, record in records.items():
        artifact = pipeline.store.root / record["stage"] / record["key"]
        manifests[name] = read_manifest(artifact)
        tracker.artifact(artifact / MANIFEST, made=not record["hit"])
        record["built_in_seconds"] = manifests[name]["seconds"]
        record["pictures"] = [picture.name for picture in sorted((artifact / "pictures").glob("*.png"))]
        for picture in (artifact / "pictures" / file for file in record["pictures"]):
            pictures.mkdir(exist_ok=True)
            shutil.copyfile(picture, pictures / picture.name)
            tracker.image(f"{name}/{picture.stem}", picture)
        for page in sorted((artifact / "pictures").glob("*.html")):
            pictures.mkdir(exist_ok=True)
            shutil.copyfile(page, pictures / page.name)
            tracker.page(f"{name}/{page.stem}", page)
        rows = json.loads((artifact / CURVE).read_text(encoding="utf-8"))
        if rows:
            curves[name] = rows
    (folder / "curves.json").write_text(json.dumps(curves), encoding="utf-8")
    if curves:
        pictures.mkdir(exist_ok=True)
        if draw_curves(curves, pictures / "curves.png"):
            tracker.image("curves", pictures / "curves.png")
    _write_json(folder / MANIFESTS, manifests)
    tracker.summary({f"store/{name}": record["key"] for name, record in records.items()})
    if pipeline.spec.goal == "baseline_metrics":
        return _baselines(folder, pipeline.baseline_metrics.load().content | {"stages": records})
    if pipeline.spec.goal != "metrics":
        _write_json(folder / "stages.json", records)
        asked = {"semantic_ids": _quality, "prompts": _examples, "recommend": _answers}.get(pipeline.spec.goal)
        return asked(folder, pipeline) if asked else {}

    content = pipeline.metrics.load().content | {"stages": records}
    _write_json(folder / "metrics.json", content)
    _write_predictions(folder / "predictions.parquet", pipeline, tracker)
    _write_ranks(folder / "ranks.parquet", pipeline)
    draw_methods(content, pictures / "methods.png")
    tracker.image("methods", pictures / "methods.png")
    table = metrics_table(content)
    (folder / "table.md").write_text(f"{table}\n\n{strata_table(content)}\n", encoding="utf-8")
    policy, validation = content["methods"]["policy"], content["validation"]["methods"]["policy"]
    numbers = {k: v for k, v in policy.items() if isinstance(v, int | float)}
    tracker.summary(_with_intervals("eval", policy) | _with_intervals("validation", validation))
    columns, rows = _strata_rows(content)
    tracker.table("strata", columns, rows)
    return {"objective": validation["MRR"], "metrics": numbers, "table": table}


def _baselines(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """metrics.json and the table, for the last ranker, the fullest."""
    from refinepoi.evaluation.table import metrics_table

    _write_json(folder / "metrics.json", content)
    table = metrics_table(content)
    (folder / "table.md").write_text(f"{table}\n", encoding="utf-8")
    last = list(content["methods"])[-1]
    numbers = {k: v for k, v in content["methods"][last].items() if isinstance(v, int | float)}
    return {"objective": content["validation"]["methods"][last]["MRR"], "metrics": numbers, "table": table}


def _with_intervals(prefix: str, values: dict[str, Any]) -> dict[str, float]:
    """`eval/MRR` with `eval/MRR_low` and `eval/MRR_high` beside it."""
    plain = {f"{prefix}/{name}": value for name, value in values.items() if isinstance(value, int | float)}
    for name, value in values.items():
        if name.endswith("_interval"):
            bounds = zip(("low", "high"), value, strict=True)
            plain |= {f"{prefix}/{name.removesuffix('_interval')}_{side}": bound for side, bound in bounds}
    return plain


def _strata_rows(content: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Every metric of every method in every group, long form."""
    rows = [
        [stratum, label, group["samples"], method, metric, value]
        for stratum, groups in content["strata"].items()
        for label, group in groups.items()
        for method, metrics in group["methods"].items()
        for metric, value in metrics.items()
        if isinstance(value, int | float)
    ]
    return ["stratum", "group", "samples", "method", "metric", "value"], rows


def _quality(folder: Path, pipeline: Pipeline) -> dict[str, Any]:
    """The quality report of the IDs, where these were asked for: all of it as a file, its table for the console."""
    from refinepoi.quantizer.quality_table import SHORT

    text = (pipeline.semantic_ids.path / "quality.md").read_text(encoding="utf-8")
    (folder / "quality.md").write_text(text, encoding="utf-8")
    report = pipeline.semantic_ids.load().report
    figures = {title: get(report) for title, get, _ in SHORT}
    numbers = {title: value for title, value in figures.items() if isinstance(value, int | float)}
    return {"table": text.split("\n\n## ")[0], "metrics": numbers}


def _answers(folder: Path, pipeline: Pipeline) -> dict[str, Any]:
    """The answers as files, and as a table for the console."""
    for file in pipeline.recommend.path.glob("recommendations.*"):
        shutil.copyfile(file, folder / file.name)
    return {"table": (folder / "recommendations.txt").read_text(encoding="utf-8").rstrip()}


def _examples(folder: Path, pipeline: Pipeline) -> dict[str, Any]:
    """Prompts to read, where these were asked for: three as a file; one and the figures of all for the console."""
    from refinepoi.prompt.examples import FILE, examples

    text = examples(pipeline.prompts.load())
    (folder / FILE).write_text(text, encoding="utf-8")
    return {"table": "\n## ".join(text.split("\n## ")[:2])}


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


def _write_ranks(path: Path, pipeline: Pipeline) -> None:
    """Rank of the target for each method and sample: query, split (1, 2), user, target, rank (NaN: no list)."""
    from refinepoi.evaluation.score import gather, ranks_of

    trajectories = pipeline.trajectories.load()
    methods = gather(*(artifact.load() for artifact in pipeline.compared))
    rows = np.concatenate([trajectories.query_rows(split) for split in ("validation", "test")])
    samples = trajectories.queries.with_row_index("query").cast({"query": pl.Int32})
    samples = samples.select("query", "split", "user", "target")[rows]
    pl.concat(
        samples.select(pl.lit(name).alias("method"), pl.all(), pl.Series("rank", ranks_of(method, rows)))
        for name, method in methods.items()
    ).write_parquet(path)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
