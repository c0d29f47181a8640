"""What a GRPO run shows while it trains: TRL's log under our names, and the reward of greedy validation lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refinepoi.grpo.credit import whole_rewards
from refinepoi.reward.combine import Rewards
from refinepoi.training.validation import Validation

# TRL's name -> ours; the terms of the reward are renamed by rule
NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "frac_reward_zero_std",
    "zero_variance_groups": "zero_variance_groups",  # ours: TRL's own looks at the batch with scale_rewards=batch
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clip_ratio",
    "completions/mean_length": "completion_length",
}


def renamed(logs: Mapping[str, Any]) -> dict[str, float]:
    """One step's log; empty for TRL's summary of the whole run."""
    if "reward" not in logs and "loss" not in logs:
        return {}
    values = {ours: float(logs[theirs]) for theirs, ours in NAMES.items() if theirs in logs}
    for name, value in logs.items():
        if name.startswith("rewards/") and name.endswith("/mean"):
            values[f"reward/{name.split('/')[1]}"] = float(value)
    return values


@dataclass(frozen=True, eq=False)
class RewardedValidation(Validation):
    """Validation that also says what the greedy lists would earn."""

    rewards: Rewards

    def score(self, lists: np.ndarray) -> dict[str, float]:
        return {**super().score(lists), "reward": float(whole_rewards(self.rewards, lists, self.target).mean())}
