"""Stage `quantize`: embeddings -> semantic IDs with their quality report and pictures (docs/method.md section 3)."""

import logging
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.spec import grid_shape
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.quantizer.spec import VERSION, FitSpec, FittedSpec, QuantizerSpec

if TYPE_CHECKING:
    from refinepoi.artifacts.trajectories import Trajectories
    from refinepoi.quantizer.places import Places
    from refinepoi.quantizer.quantizer import Quantizer

log = logging.getLogger("refinepoi")
QUANTIZER = "quantizer"
"""Folder of the fitted quantizer in the artifact."""


@stage(version=VERSION, makes=SemanticIds, name="quantize")
def quantize(
    context: Context,
    spec: QuantizerSpec,
    embeddings: Artifact[Embeddings],
    trajectories: "Artifact[Trajectories]",
) -> None:
    """Fit on POIs seen in training, or take what is fitted; encode all, resolve collisions, measure, draw."""
    from refinepoi.quantizer.browser import write_page
    from refinepoi.quantizer.collisions import check_room, resolve
    from refinepoi.quantizer.fit import load, save
    from refinepoi.quantizer.incremental import Coded, extend, reference_of
    from refinepoi.quantizer.places import Places
    from refinepoi.quantizer.plots import draw_all
    from refinepoi.quantizer.quality_table import quality_text
    from refinepoi.quantizer.report import make_report

    visits = trajectories.load()
    places, poi_ids = Places.of(embeddings.load(), visits.pois), tuple(visits.pois["poi_id"].to_list())
    if isinstance(spec, FittedSpec):
        fitted_by, quantizer = load(Path(spec.codebook) / QUANTIZER)
        stored = SemanticIds.load(Path(spec.codebook))
        ids = extend(spec, quantizer, stored, places, poi_ids)
        places, reference = ids.places, stored.reference
    else:
        if spec.collisions == "nearest_free":
            check_room(len(places), tuple(grid_shape(text) for text in spec.levels))  # before hours of fitting
        fitted_by, quantizer = spec, fit_with_progress(context, spec, places)
        first = quantizer.encode(places)
        ids = Coded(places, first, resolve(spec.collisions, first, quantizer.grids, quantizer.space(places)))
        reference = {}
    save(quantizer, fitted_by, context.folder / QUANTIZER)

    for line in ids.warnings:
        log.warning("quantize: %s", line)
    measured_by = fitted_by.model_copy(update={"quality": spec.quality})
    report = make_report(measured_by, places, quantizer, ids.first, ids.resolved)
    for line in report["warnings"]:
        log.warning("quantize: %s", line)
    if not reference:
        held_out = report["held_out"]
        unseen = held_out["levels"][-1]["rms_error"] if held_out else None
        reference = reference_of(places, quantizer, ids.first, ids.resolved.codes, unseen)
    report["drift"], report["warnings"] = ids.drift, [*ids.warnings, *report["warnings"]]
    figures = {f"ids/{name}": value for name, value in report["ids"].items() if isinstance(value, int | float)}
    figures |= {f"drift/{name}": value for name, value in ids.drift.items()}
    context.log.metrics(figures, step=len(context.log.curve))
    codes, grids = ids.resolved.codes, ids.resolved.grids
    made = SemanticIds(codes, grids, fitted_by.collisions, report, poi_ids, ids.reserved, reference)
    made.save(context.folder)

    (context.folder / "quality.md").write_text(quality_text(report), encoding="utf-8")
    draw_all(context.folder / "pictures", visits, places, quantizer, ids.first, ids.resolved)
    write_page(context.folder / "pictures" / "ids.html", made, visits.pois, quantizer.topology)


def fit_with_progress(context: Context, spec: FitSpec, places: "Places") -> "Quantizer":
    """`fit` with a bar and curves."""
    from refinepoi.quantizer.fit import epochs_of, fit

    steps = count(1)
    with context.progress(total=epochs_of(spec), unit="epoch") as bar:

        def on_epoch(figures: Mapping[str, float]) -> None:
            context.log.metrics(figures, step=next(steps))
            bar.update()

        return fit(spec, places, on_epoch, context.runtime.device)
