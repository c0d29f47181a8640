"""Constrained sampling for TRL: lists over the catalogue, no duplicates, one prompt cache for each group."""

from collections.abc import Callable
from typing import Any

import torch

from refinepoi.core.seeding import generator
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie

Rollout = Callable[[list[str], Any], dict[str, Any]]


def constrained_rollout(trie: Trie, k: int, temperature: float, seed: int) -> Rollout:
    """TRL's `rollout_func`. TRL hands in each prompt `num_generations` times in a row.

    Draws depend on the seed and the step only, so a run that continues from a checkpoint samples what it would have
    sampled. The end token is not part of a completion: it is forced and carries no choice.
    """

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        group = trainer.num_generations
        unique = prompts[::group]
        if prompts != [prompt for prompt in unique for _ in range(group)]:
            raise RuntimeError("TRL should repeat each prompt num_generations times in a row")
        model = trainer.accelerator.unwrap_model(trainer.model)
        encoded: list[list[int]] = trainer.processing_class(text=unique)["input_ids"]
        input_ids, attention_mask = left_padded(encoded, trainer.processing_class.pad_token_id, model.device)
        draws = torch.Generator(model.device)
        draws.manual_seed(int(generator(seed, "rollout", str(trainer.state.global_step)).integers(2**62)))
        with trainer.accelerator.autocast():
            lists = decode_lists(
                model, trie, input_ids, attention_mask, k, group=group, temperature=temperature, generator=draws
            )
        return {
            "prompt_ids": [ids for ids in encoded for _ in range(group)],
            "completion_ids": lists.tokens.tolist(),
            "pois": lists.pois.tolist(),  # handed on to the rewards' inputs
            "logprobs": None,  # scored again by the trainer, with gradients
        }

    return rollout
