"""Constrained answers for TRL: lists over the catalogue, no duplicates, one prompt cache for each group."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from refinepoi.core.seeding import generator
from refinepoi.decoding.lists import Lists, decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.beams import beam_group, require_beams
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.training.shards import through

Rollout = Callable[[list[str], Any], dict[str, Any]]


class Turn(NamedTuple):
    """Which answers are asked for: the optimizer step, and this process among all that share the step."""

    step: int
    rank: int
    ranks: int


Draw = Callable[[Any, Tensor, Tensor, int, Turn], Lists]
"""(model, input_ids, attention_mask, group, whose turn it is) -> `group` lists for each prompt."""


def drawing(spec: GrpoTrain, trie: Trie, k: int) -> Draw:
    """How `spec.sampler` (constrained or beams) makes lists."""

    def sampled(model: Any, input_ids: Tensor, attention_mask: Tensor, group: int, turn: Turn) -> Lists:
        draw = generator(spec.seed, "rollout", str(turn.step))
        answers = len(input_ids) * group
        uniform = draw.random((turn.ranks * answers, k * trie.levels))[turn.rank * answers :][:answers]
        draws = torch.from_numpy(uniform).to(model.device)
        return decode_lists(
            model, trie, input_ids, attention_mask, k, group=group, temperature=spec.temperature, draws=draws
        )

    def searched(model: Any, input_ids: Tensor, attention_mask: Tensor, group: int, turn: Turn) -> Lists:
        return beam_group(
            model, trie, input_ids, attention_mask, k, group=group, items=spec.beam_items, temperature=spec.temperature
        )

    if spec.sampler == "beams":
        require_beams(trie, k, spec.num_generations, spec.beam_items)
        return searched
    return sampled


def constrained_rollout(draw: Draw) -> Rollout:
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
        turn = Turn(trainer.state.global_step, trainer.accelerator.process_index, trainer.accelerator.num_processes)
        with trainer.accelerator.autocast():
            lists = through(model, model, draw, input_ids, attention_mask, group, turn)
        return {
            "prompt_ids": [ids for ids in encoded for _ in range(group)],
            "completion_ids": lists.tokens.tolist(),
            "pois": lists.pois.tolist(),  # handed on to the rewards' inputs
            "logprobs": None,  # scored again by the trainer, with gradients
        }

    return rollout
