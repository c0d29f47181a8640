"""What a GRPO run says when something is wrong: from its curves, each with the remedy. Thresholds: `grpo.alerts`.

Reward hacking is when the policy learns what the reward pays and not what is wanted: the reward rises while the MRR of
validation falls. That stops the run, and the best policy by validation is kept.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from refinepoi.grpo.spec import AlertSpec
from refinepoi.training.watch import Alert, Memory, Row


def judge(spec: AlertSpec, memory: Memory) -> Iterator[Alert]:
    """What is wrong now; the same thing may be said again."""
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
    """MRR fell at each of the last n validations, by enough in all, and the mean reward between them rose each time."""
    n, rows = spec.hacking_validations, [row for row in memory.validation if "MRR" in row]
    if not n or len(rows) <= n:
        return
    last = rows[-n - 1 :]
    mrr = [row["MRR"] for row in last]
    rewards = [_mean_reward(memory.curve, before["step"], after["step"]) for before, after in pairwise(last)]
    if mrr[0] - mrr[-1] > spec.hacking_drop and _falls(mrr) and _falls([-reward for reward in rewards]):
        yield Alert(
            "reward hacking",
            f"over {n} validations the reward rose from {rewards[0]:.3f} to {rewards[-1]:.3f} while validation MRR "
            f"fell from {mrr[0]:.3f} to {mrr[-1]:.3f}: the run stops and keeps the best policy; see which reward/* "
            "rises and lower its weight, raise reward.weights.rank, or keep close to the warm start with grpo.beta",
            stops=True,
        )


def _falls(values: Sequence[float]) -> bool:
    return all(after < before for before, after in pairwise(values))


def _column(curve: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in curve if name in row]


def _mean_reward(curve: Sequence[Row], after: float, until: float) -> float:
    """Mean of the steps in (after, until]; NaN, which never rises, without any."""
    inside = [row["reward"] for row in curve if "reward" in row and after < row["step"] <= until]
    return float(np.mean(inside)) if inside else float("nan")
