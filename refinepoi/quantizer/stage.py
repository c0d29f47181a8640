"""Stage `quantize`: embeddings -> semantic IDs with their quality report and pictures (docs/method.md section 3)."""

from typing import TYPE_CHECKING

from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.files import require
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.stage import Artifact, Context, stage
from refinepoi.quantizer.spec import QuantizerSpec

if TYPE_CHECKING:
    from refinepoi.artifacts.trajectories import Trajectories


@stage(version=1, makes=SemanticIds, name="quantize")
def quantize(
    context: Context,
    spec: QuantizerSpec,
    embeddings: Artifact[Embeddings],
    trajectories: "Artifact[Trajectories]",
) -> None:
    """Train the levels on POIs seen in training, encode all, resolve collisions, measure, draw."""
    import numpy as np

    from refinepoi.quantizer.collisions import resolve
    from refinepoi.quantizer.fit import epochs_of, fit
    from refinepoi.quantizer.plots import draw_all
    from refinepoi.quantizer.report import make_report

    x, pois = embeddings.load().vectors, trajectories.load().pois
    require(len(x) == pois.height, f"{len(x)} embeddings for {pois.height} POIs")
    epochs = epochs_of(spec)
    with context.progress(total=epochs * len(spec.levels), unit="epoch") as bar:

        def on_epoch(level: int, epoch: int, error: float, sigma: float) -> None:
            values = {f"level_{level + 1}/quantization_error": error, f"level_{level + 1}/sigma": sigma}
            context.log.metrics(values, step=level * epochs + min(epoch, epochs - 1) + 1)
            bar.update()

        fitted = fit(spec, x, pois["in_train"].to_numpy(), on_epoch)
    resolved = resolve(spec.collisions, fitted.codes, fitted.grids, fitted.space)
    categories = np.unique(pois["category"].to_numpy(), return_inverse=True)[1].ravel()
    report = make_report(spec, x, fitted, resolved, categories, pois["in_train"].to_numpy())

    books = fitted.books.weights if fitted.books else ()
    if books and spec.collisions == "suffix":
        books = (*books, np.zeros((0, x.shape[1]), np.float32))  # the counting level has no vectors
    ids = SemanticIds(resolved.codes, resolved.grids, spec.collisions, books, report)
    draw_all(context.folder / "pictures", x, pois, fitted, resolved)
    context.log.metrics(
        {f"ids/{k}": v for k, v in report["ids"].items() if isinstance(v, int | float)}, step=epochs * len(spec.levels)
    )
    ids.save(context.folder)
