"""The gate: codes that have collapsed are told, or stop the run, before hours of training are spent on them."""

from refinepoi.core.errors import UserError
from refinepoi.quantizer.quality import Report
from refinepoi.quantizer.spec import FitSpec, MiniSomSpec, QualitySpec, SomSpec

FEWER_COLLISIONS = 0.2
"""What growing final sigmas are for: so many fewer collisions than residual k-means (docs/method.md section 3)."""


def warnings_of(report: Report, spec: QualitySpec) -> list[str]:
    """What is wrong with the codes, one sentence each. report: of `report.make_report`."""
    if spec.gate == "off":
        return []
    found, pois = [], report["ids"]["pois"]
    for number, level in enumerate(report["levels"], 1):
        usable = min(level["cells"], pois)
        if level["perplexity"] < spec.min_perplexity * usable:
            found.append(
                f"level {number} collapsed: {pois} places use it like {level['perplexity']:.1f} even cells of {usable} "
                f"usable, under quantizer.quality.min_perplexity={spec.min_perplexity:g}; look at the embeddings, or "
                "use a smaller grid or a smaller final sigma"
            )
    rate = report["ids"]["collision_rate_before"]
    if rate > spec.max_collisions:
        found.append(
            f"{rate:.1%} of places share their ID before the collision policy, over quantizer.quality.max_collisions="
            f"{spec.max_collisions:g}; add a level or enlarge the grids"
        )
    return found


def stop_if_asked(warnings: list[str], spec: QualitySpec) -> None:
    """Raise UserError with all warnings where the gate says stop."""
    if spec.gate == "stop" and warnings:
        raise UserError("semantic IDs: " + "; ".join(warnings) + " (quantizer.quality.gate=warn goes on)")


def findings_of(report: Report, spec: FitSpec) -> list[str]:
    """What the figures say, in words: whether a map with growing sigma keeps its promise against residual k-means."""
    peer = report["beside"].get("residual_kmeans")
    if peer is None or not isinstance(spec, SomSpec | MiniSomSpec):
        return []
    ours, theirs = (figures["ids"]["collision_rate_before"] for figures in (report, peer))
    start = f"before the policy {ours:.1%} of places share their ID, with residual k-means {theirs:.1%}"
    if theirs == 0:
        return [f"{start}: nothing to gain here"]
    fewer = 1 - ours / theirs
    change = f"{fewer:.1%} fewer" if fewer >= 0 else f"{-fewer:.1%} more"
    if fewer >= FEWER_COLLISIONS:
        return [f"{start}: {change}, at least {FEWER_COLLISIONS:.0%} was the aim"]
    gap = f"{100 * (FEWER_COLLISIONS - fewer):.1f} points short of the {FEWER_COLLISIONS:.0%} fewer that was the aim"
    return [f"{start}: {change}, {gap}"]
