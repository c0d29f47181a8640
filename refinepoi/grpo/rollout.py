"""Constrained answers for TRL: lists over the catalogue, no duplicates, one prompt cache for each group."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from refinepoi.core.seeding import generator
from refinepoi.decoding.lists import Lists, decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.beams import beam_lists, require_beams
from refinepoi.grpo.spec import GrpoTrain

Rollout = Callable[[list[str], Any], dict[str, Any]]
Draw = Callable[[Any, Tensor, Tensor, int, int], Lists]
"""(model, input_ids, attention_mask, group, step) -> `group` lists for each prompt."""


def drawing(spec: GrpoTrain, trie: Trie, k: int) -> Draw:
    """How `spec.sampler` (constrained or beams) makes lists. Draws depend on the seed and the step only, so a run that
    continues from a checkpoint samples what it would have sampled."""

    def sampled(model: Any, input_ids: Tensor, attention_mask: Tensor, group: int, step: int) -> Lists:
        draws = torch.Generator(model.device)
        draws.manual_seed(int(generator(spec.seed, "rollout", str(step)).integers(2**62)))
        return decode_lists(
            model, trie, input_ids, attention_mask, k, group=group, temperature=spec.temperature, generator=draws
        )

    def searched(model: Any, input_ids: Tensor, attention_mask: Tensor, group: int, step: int) -> Lists:
        return beam_lists(
            model, trie, input_ids, attention_mask, k, group=group, items=spec.beam_items, temperature=spec.temperature
        )

    if spec.sampler == "beams":
        require_beams(trie, k, spec.num_generations, spec.beam_items)
        return searched
    return sampled


def constrained_rollout(draw: Draw) -> Rollout:
    """TRL's `rollout_func`. TRL hands in each prompt `num_generations` times in a row.

    The end token is not part of a completion: it is forced and carries no choice.
    """

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        group = trainer.num_generations
        unique = prompts[::group]
        if prompts != [prompt for prompt in unique for _ in range(group)]:
            raise RuntimeError("TRL should repeat each prompt num_generations times in a row")
        model = trainer.accelerator.unwrap_model(trainer.model)
        encoded: list[list[int]] = trainer.processing_class(text=unique)["input_ids"]
        input_ids, attention_mask = left_padded(encoded, trainer.processing_class.pad_token_id, model.device)
        with trainer.accelerator.autocast():
            lists = draw(model, input_ids, attention_mask, group, trainer.state.global_step)
        return {
            "prompt_ids": [ids for ids in encoded for _ in range(group)],
            "completion_ids": lists.tokens.tolist(),
            "pois": lists.pois.tolist(),  # handed on to the rewards' inputs
            "logprobs": None,  # scored again by the trainer, with gradients
        }

    return rollout
