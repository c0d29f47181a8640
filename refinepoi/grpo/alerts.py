"""What a GRPO run says when something is wrong: from its curves, each with the remedy. Thresholds: `grpo.alerts`.

Reward hacking is when the policy learns what the reward pays and not what is wanted: the reward rises while the MRR of
validation falls. That stops the run, and the best policy by validation is kept.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from refinepoi.grpo.spec import AlertSpec
from refinepoi.training.watch import Alert, Memory, Row


def judge(spec: AlertSpec, steps: int, memory: Memory) -> Iterator[Alert]:
    """What is wrong now; it may be said again. steps: of the whole run, of which a window is half at most."""
    spec = spec.model_copy(update={"window": max(1, min(spec.window, steps // 2))})
    yield from _zero_variance(spec, _column(memory.curve, "zero_variance_groups"))
    yield from _entropy(spec, _column(memory.curve, "entropy"))
    yield from _length(spec, _column(memory.curve, "completion_length"))
    yield from _hacking(spec, memory)


def _zero_variance(spec: AlertSpec, shares: Sequence[float]) -> Iterator[Alert]:
    if len(shares) >= spec.window and (now := float(np.mean(shares[-spec.window :]))) > spec.zero_variance:
        yield Alert(
            "zero variance",
            f"in {now:.0%} of the last {spec.window} steps' groups all answers earned the same, which teaches nothing: "
            "raise grpo.num_generations or grpo.temperature, or give reward.weights.soft or distance a weight",
        )


def _entropy(spec: AlertSpec, entropies: Sequence[float]) -> Iterator[Alert]:
    if len(entropies) < 2 * spec.window:
        return
    first, now = float(np.mean(entropies[: spec.window])), float(np.mean(entropies[-spec.window :]))
    if now < spec.entropy * first:
        yield Alert(
            "entropy collapse",
            f"the policy's entropy fell from {first:.3g} to {now:.3g} nats a token, so answers hardly vary: lower "
            "grpo.learning_rate, or try grpo.entropy_coef=0.01 or grpo.beta=0.01",
        )


def _length(spec: AlertSpec, lengths: Sequence[float]) -> Iterator[Alert]:
    if len(lengths) < 2 * spec.window or not spec.length:
        return
    first, now = float(np.mean(lengths[: spec.window])), float(np.mean(lengths[-spec.window :]))
    if abs(now - first) > spec.length * first:
        yield Alert(
            "length drift",
            f"answers went from {first:.1f} to {now:.1f} tokens: raise reward.weights.length, check "
            "grpo.max_new_tokens, or use grpo.loss_type=dr_grpo, which does not reward length",
        )


def _hacking(spec: AlertSpec, memory: Memory) -> Iterator[Alert]:
    """Over the last n validations MRR goes down and the reward up, by their slopes, and the best MRR lies before them.

    Slopes, since neither curve is monotone: MRR is of few hundred queries, the reward of one batch.
    """
    n, rows = spec.hacking_validations, [row for row in memory.validation if "MRR" in row]
    if not n or len(rows) <= n:
        return
    best, last = max(row["MRR"] for row in rows[:-n]), rows[-n:]
    mrr, since = [row["MRR"] for row in last], last[0]["step"]
    rewards = [(row["step"], row["reward"]) for row in memory.curve if "reward" in row and since < row["step"]]
    rise = slope(rewards)
    fallen = best > max(mrr) and best - float(np.mean(mrr)) > spec.hacking_drop
    if fallen and slope(list(enumerate(mrr))) < 0 < rise:
        yield Alert(
            "reward hacking",
            f"over {n} validations the reward rose by {rise:.2g} a step while validation MRR fell to "
            f"{mrr[-1]:.3f}, from {best:.3f} at its best: the run stops and keeps the best policy; see which reward/* "
            "rises and lower its weight, raise reward.weights.rank, or keep close to the warm start with grpo.beta",
            stops=True,
        )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line through (x, y); 0 of fewer than two points."""
    if len(points) < 2:
        return 0.0
    x, y = np.array(points, np.float64).T
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


def _column(curve: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in curve if name in row]
