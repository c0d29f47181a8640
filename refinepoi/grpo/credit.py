"""Which item earned the reward: advantages for each item of a list instead of one for the whole list.

A list's reward is a sum of steps, R = sum_j [R(first j items) - R(first j - 1)], and an item cannot change the steps
before it. So item j is credited with what came from j on, less the mean of that over the lists of the group that had
not found the target before j. The expected gradient is that of the whole-list reward; the noise of items that had no
part in it is gone (a test compares with brute force). The paper's GRPO credits whole lists (`credit=list`).
"""

import numpy as np
import numpy.typing as npt

from refinepoi.reward.answers import Answers, Ints
from refinepoi.reward.combine import Rewards

Values = npt.NDArray[np.float64]


def whole_rewards(rewards: Rewards, pois: Ints, target: Ints) -> Values:
    """The weighted reward of valid lists `pois` int64 [n, k], written without a reasoning block: float64 [n]."""
    answers = Answers(pois, np.ones(len(pois), np.bool_), np.zeros(len(pois), np.bool_))
    return rewards.total(answers, target)


def prefix_rewards(rewards: Rewards, pois: Ints, target: Ints) -> Values:
    """The reward of the first 0, 1, .., k items of lists `pois` int64 [n, k]: float64 [n, k + 1]."""
    steps = [whole_rewards(rewards, pois[:, :size], target) for size in range(1, pois.shape[1] + 1)]
    return np.stack([np.zeros(len(pois)), *steps], axis=1)


def item_advantages(prefixes: Values, found_before: npt.NDArray[np.bool_], group: int, scale: str) -> Values:
    """Advantage of each item, float64 [n, k]; rows are groups of `group` lists of one prompt.

    prefixes: [n, k + 1] as from `prefix_rewards`. found_before: bool [n, k], whether the target stands before item j.
    scale: what to divide by, as TRL's `scale_rewards`: the spread of whole-list rewards in the group or the batch, or
    `none`.
    """
    to_go: Values = (prefixes[:, -1:] - prefixes[:, :-1]).reshape(-1, group, found_before.shape[1])
    found = found_before.reshape(to_go.shape)
    advantage: Values = np.zeros_like(to_go)
    for state in (found, ~found):
        mean = (to_go * state).sum(1, keepdims=True) / np.maximum(state.sum(1, keepdims=True), 1)
        advantage = advantage + (to_go - mean) * state
    credited = advantage.reshape(found_before.shape)
    whole = prefixes[:, -1].reshape(-1, group)
    match scale:
        case "group":
            spread = np.repeat(whole.std(1, ddof=1), group)[:, None]
        case "batch":
            spread = np.full((1, 1), whole.std(ddof=1))
        case _:
            return credited
    return np.where(spread > 1e-6, credited / (spread + 1e-4), 0.0)
