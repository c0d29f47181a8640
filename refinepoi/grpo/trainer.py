"""TRL's GRPOTrainer with four things changed, so that the gradient is that of the policy that sampled.

1. Log-probabilities are over the tokens the trie allowed at each position, not over the whole vocabulary. Current, old
   and reference ones all go through the one method changed here, so ratios and KL compare like with like.
2. A prompt is computed once for its group (`decoding/packed.py`), and the head for ID tokens only.
3. Answers of a batch stay in order: TRL shuffles them before it cuts the batch into parts, which tears groups apart.
   All parts of a batch go into one optimizer step, so the order changes nothing but the rounding.
4. With `credit`, each item of a list has an advantage of its own (`credit.py`); TRL's loss takes such advantages.
With `trie=None` (free sampler) only 3 applies. In several processes each samples and scores its own prompts, whole
groups; rewards, spreads and advantages are those of all answers of the step.
"""

import math
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import gather
from torch import Tensor
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from refinepoi.decoding.constraint import allowed_sets, renormalised
from refinepoi.decoding.head import head_of
from refinepoi.decoding.packed import packed_hidden
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.credit import item_advantages, prefix_rewards
from refinepoi.reward.combine import Rewards
from refinepoi.training.shards import through

EQUAL = 1e-6  # rewards that differ by less are the same


class ListTrainer(GRPOTrainer):
    def __init__(self, *args: Any, trie: Trie | None, credit: Rewards | None, **kwargs: Any) -> None:
        """trie: of the constrained samplers, None for the free one. credit: the rewards to credit items with, if so."""
        super().__init__(*args, **kwargs)
        self.trie, self.credit = trie, credit

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Log-probabilities and entropies float32 [R, T] of the last `logits_to_keep` = T tokens of each row."""
        if self.trie is None:
            scored: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **others
            )
            return scored
        parts = [
            through(
                model,
                self.accelerator.unwrap_model(model),
                list_logps,
                self.trie,
                input_ids[start : start + (batch_size or len(input_ids))],
                attention_mask[start : start + (batch_size or len(input_ids))],
                logits_to_keep,
                self.temperature,
                self.accelerator.autocast,
            )
            for start in range(0, len(input_ids), batch_size or len(input_ids))
        ]
        logps = torch.cat([part[0] for part in parts])
        return logps, torch.cat([part[1] for part in parts]) if compute_entropy else None, None

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """As TRL's, without its shuffle (see 3 above)."""
        parts: int = self.args.steps_per_generation  # type: ignore[attr-defined]
        if self._step % (parts * self.num_iterations) == 0 or self._buffered_inputs is None:
            self._buffered_inputs: Any = split_tensor_dict(
                self._generate_and_score_completions(generation_batch), parts
            )
        return self._buffered_inputs[self._step % parts]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """As TRL's; with `credit`, advantages [R, T] of each item's tokens instead of [R]."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.credit is not None and self.trie is not None:
            pois = np.array([row["pois"] for row in inputs])
            target = self.credit.first_bearer[np.array([row["target"] for row in inputs])]
            found = np.cumsum(pois == target[:, None], axis=1) - (pois == target[:, None]) > 0
            prefixes = prefix_rewards(self.credit, pois, target)
            everyones = [gather(torch.from_numpy(part).to(output["advantages"].device)) for part in (prefixes, found)]
            prefixes, found = (part.cpu().numpy() for part in everyones)
            by_item = item_advantages(prefixes, found, cast(int, self.num_generations), self.scale_rewards)
            by_item = by_item[self.accelerator.process_index * len(inputs) :][: len(inputs)]
            by_token = torch.from_numpy(by_item).repeat_interleave(self.trie.levels, dim=1)
            output["advantages"] = by_token.to(output["advantages"])
        return output

    def _calculate_rewards(self, *args: Any) -> Tensor:
        """As TRL's, float32 [R, terms]; logs the share of groups whose answers all earn the same."""
        rewards: Tensor = super()._calculate_rewards(*args)
        total = (rewards * self.reward_weights.to(rewards)).sum(1).view(-1, cast(int, self.num_generations))
        equal = total.amax(1) - total.amin(1) < EQUAL
        self._metrics["train"]["zero_variance_groups"].append(equal.float().mean().item())
        return rewards

    def greedy(self, prompts: list[list[int]], length: int) -> tuple[list[list[int]], list[list[float]]]:
        """vLLM's likeliest tokens after each prompt, at most `length`, and their log-probabilities at temperature 1."""
        engine = self.vllm_generation
        engine.sync_weights()
        before = engine.temperature, engine.max_completion_length
        engine.temperature, engine.max_completion_length = 0.0, length
        try:
            _, tokens, logprobs, _ = engine.generate(prompts, None, num_generations=1)
        finally:
            engine.temperature, engine.max_completion_length = before
        return [list(row) for row in tokens], [[float(token[0]) for token in row] for row in logprobs]

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Checkpoints are scratch: no model card."""


def list_logps(
    model: torch.nn.Module,
    trie: Trie,
    input_ids: Tensor,
    attention_mask: Tensor,
    steps: int,
    temperature: float,
    autocast: Any = nullcontext,
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token of constrained lists, and the entropy of each choice, float32 [R, T].

    input_ids, attention_mask: int64 [R, P + T], prompts padded on the left, then T = `steps` tokens of a list. Rows of
    one prompt that follow each other share the work on it.
    """
    prompt, lists = input_ids[:, :-steps], input_ids[:, -steps:]
    _, counts = torch.unique_consecutive(prompt, dim=0, return_counts=True)
    group = math.gcd(*counts.tolist())
    allowed = allowed_sets(trie, lists)
    if not bool(allowed.valid.all()):
        raise RuntimeError("a list to be scored was not drawn from the trie it is scored with")
    with autocast():
        hidden = packed_hidden(
            model, prompt[::group], attention_mask[::group, :-steps], lists.reshape(-1, group, steps)
        ).flatten(0, 1)
        scores = head_of(model, trie.vocabulary)(hidden)
    return renormalised(scores, allowed, temperature)
