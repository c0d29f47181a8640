"""`goal=dashboard`: a W&B workspace and a report with the panels one compares runs by, in the project of `tracking`.

Reward ablation, semantic-ID grids, learning curves of every stage, maps. Names of metrics are those that
`core/wandb_tracker.py` writes: `<stage>/<name>` over `<stage>/step`, `validation/*` and `eval/*` in the summary.
Needs the extra `dashboard` (wandb-workspaces, a public preview) and an account; building the two is offline.
"""

from typing import TYPE_CHECKING, Any

from refinepoi.core.errors import UserError
from refinepoi.core.tracking_spec import TrackingSpec, WandbSpec

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

OBJECTIVE = "validation/MRR"
TERMS = ("format", "rank", "soft", "distinct", "length")
SETTINGS = tuple(f"reward.weights.{term}" for term in TERMS)
GRIDS = ("quantizer.kind", "quantizer.levels", "quantizer.sigma_end")
IDS = ("quantize/ids/nicc", "quantize/ids/collision_rate_before")
CURVES = {
    "GRPO: reward terms": ("train_grpo", tuple(f"reward/{term}" for term in TERMS)),
    "GRPO: reward and validation MRR": ("train_grpo", ("reward", "validation/MRR")),
    "GRPO: entropy, share of groups without a signal": ("train_grpo", ("entropy", "zero_variance_groups")),
    "SFT: loss": ("train_sft", ("loss",)),
    "SFT: validation MRR": ("train_sft", ("validation/MRR",)),
    "Encoder: losses": ("train_encoder", ("training_loss", "validation_loss")),
    "SOM: quantization error by level": ("quantize", ("level_1/quantization_error", "level_2/quantization_error")),
}
PICTURES = ("semantic_ids/city_map", "semantic_ids/level_1", "semantic_ids/level_2", "methods", "curves")


def save_dashboard(tracking: TrackingSpec) -> list[str]:
    """Make both in W&B. Returns their addresses. Raises UserError without the extra, a team or a key."""
    if not isinstance(tracking, WandbSpec) or not tracking.entity:
        raise UserError("tracking.entity: the dashboard belongs to a W&B team or user; give tracking.entity=NAME")
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError("goal=dashboard needs wandb-workspaces: pip install 'refinepoi[dashboard]'") from None
    addresses = []
    for view in (workspace(tracking.entity, tracking.project), report(tracking.entity, tracking.project)):
        try:
            view.save()
        except Exception as error:
            raise UserError(f"W&B does not take the dashboard: {error}; log in with `wandb login`") from error
        addresses.append(str(view.url))
    return addresses


def workspace(entity: str, project: str) -> "Workspace":
    """A saved view with a section for each question."""
    import wandb_workspaces.workspaces as ws

    sections = [ws.Section(name=name, panels=panels, is_open=True) for name, panels in _sections().items()]
    return ws.Workspace(entity=entity, project=project, name="refinepoi", sections=sections)


def report(entity: str, project: str) -> "Report":
    """The same panels with a line of explanation each, runs grouped by sweep."""
    import wandb_workspaces.reports.v2 as wr

    texts = {
        "Reward ablation": "Each line is a run: the weights of the five terms and the validation MRR they reach.",
        "Semantic IDs": "Grids and radii of the map against continuity, collisions and validation MRR.",
        "Learning curves": "Every stage over its own steps; a stage taken from the store shows its stored curve.",
        "Maps": "The city by level-1 cell beside its grid; runs side by side.",
    }
    runs = [wr.Runset(name="all runs")]  # of the report's own project; named, it would be looked up at once
    blocks: list[Any] = [wr.P("Choose by validation; the test split (`eval/*`) is read once.")]
    for name, panels in _sections().items():
        blocks += [wr.H2(name), wr.P(texts[name]), wr.PanelGrid(runsets=runs, panels=panels)]
    return wr.Report(entity=entity, project=project, title="refinepoi", blocks=blocks, width="fluid")


def _sections() -> dict[str, list[Any]]:
    import wandb_workspaces.reports.v2 as wr

    objective = wr.SummaryMetric(OBJECTIVE)

    def parallel(title: str, settings: tuple[str, ...], *metrics: str) -> Any:
        columns = [wr.Config(key) for key in settings] + [wr.SummaryMetric(key) for key in (*metrics, OBJECTIVE)]
        return wr.ParallelCoordinatesPlot(
            title=title, columns=[wr.ParallelCoordinatesPlotColumn(metric=column) for column in columns]
        )

    return {
        "Reward ablation": [
            parallel("reward weights", SETTINGS),
            wr.ParameterImportancePlot(with_respect_to=OBJECTIVE),
            wr.BarPlot(title="validation MRR", metrics=[objective], max_bars_to_show=40),
            wr.BarPlot(title="test Acc@1, MRR", metrics=[wr.SummaryMetric("eval/Acc@1"), wr.SummaryMetric("eval/MRR")]),
        ],
        "Semantic IDs": [
            parallel("grids", GRIDS, *IDS),
            *(
                wr.ScatterPlot(
                    title=f"{key.rpartition('/')[2]} and validation MRR", x=wr.SummaryMetric(key), y=objective
                )
                for key in IDS
            ),
        ],
        "Learning curves": [
            wr.LinePlot(title=title, x=f"{stage}/step", y=[f"{stage}/{name}" for name in names])
            for title, (stage, names) in CURVES.items()
        ],
        "Maps": [wr.MediaBrowser(title="pictures", media_keys=list(PICTURES), num_columns=3)],
    }
