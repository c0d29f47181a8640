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

    Draws depend on the seed, the step and the place of an answer among all answers of the step, so a run that continues
    from a checkpoint, or is shared by several processes, samples what it would have sampled. The end token is not part
    of a completion: it is forced and carries no choice.
    """

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        group = trainer.num_generations
        unique = prompts[::group]
        if prompts != [prompt for prompt in unique for _ in range(group)]:
            raise RuntimeError("TRL should repeat each prompt num_generations times in a row")
        model = trainer.accelerator.unwrap_model(trainer.model)
        encoded: list[list[int]] = trainer.processing_class(text=unique)["input_ids"]
        input_ids, attention_mask = left_padded(encoded, trainer.processing_class.pad_token_id, model.device)
        draw = generator(seed, "rollout", str(trainer.state.global_step))
        rank, ranks = trainer.accelerator.process_index, trainer.accelerator.num_processes
        uniform = draw.random((ranks * len(prompts), k * trie.levels))[rank * len(prompts) :][: len(prompts)]
        draws = torch.from_numpy(uniform).to(model.device)
        with trainer.accelerator.autocast():
            lists = decode_lists(
                model, trie, input_ids, attention_mask, k, group=group, temperature=temperature, draws=draws
            )
        return {
            "prompt_ids": [ids for ids in encoded for _ in range(group)],
            "completion_ids": lists.tokens.tolist(),
            "pois": lists.pois.tolist(),  # handed on to the rewards' inputs
            "logprobs": None,  # scored again by the trainer, with gradients
        }

    return rollout
