"""Answers of a policy to prompts, as text, by each sampler: what a reward report looks at."""

from collections.abc import Sequence
from typing import Any

import torch

from refinepoi.core.seeding import generator
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.rollout import Turn, drawing
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.model.load import LanguageModel


def listed_answers(
    language: LanguageModel, spec: GrpoTrain, trie: Trie, k: int, prompts: Sequence[str], texts: Sequence[str]
) -> list[str]:
    """`num_generations` lists for each prompt, grouped, by the constrained sampler or beams. texts: IDs by place."""
    draw, group, batch = drawing(spec, trie, k), spec.num_generations, max(1, 256 // spec.num_generations)
    found: list[str] = []
    for start in range(0, len(prompts), batch):
        input_ids, mask = _encoded(language, prompts[start : start + batch])
        lists = draw(language.model, input_ids, mask, group, Turn(start, 0, 1))
        found += ["".join(texts[poi] for poi in pois) for pois in lists.pois.tolist()]
    return found


def free_answers(language: LanguageModel, spec: GrpoTrain, prompts: Sequence[str]) -> list[str]:
    """`num_generations` answers for each prompt, grouped, as TRL's trainer would draw them."""
    found: list[str] = []
    model: Any = language.model
    batch = max(1, 256 // spec.num_generations)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(int(generator(spec.seed, "free answers").integers(2**62)))
        for start in range(0, len(prompts), batch):
            input_ids, mask = _encoded(language, prompts[start : start + batch])
            output = model.generate(
                input_ids=input_ids, attention_mask=mask, do_sample=True, num_return_sequences=spec.num_generations,
                max_new_tokens=spec.max_new_tokens, temperature=spec.temperature, top_p=spec.top_p, top_k=spec.top_k,
                min_p=spec.min_p or None, repetition_penalty=spec.repetition_penalty,
                pad_token_id=language.tokenizer.pad_token_id, eos_token_id=language.tokenizer.eos_token_id,
            )  # fmt: skip
            found += language.tokenizer.batch_decode(output[:, input_ids.shape[1] :], skip_special_tokens=True)
    return found


def _encoded(language: LanguageModel, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    encoded = language.tokenizer(text=list(prompts))["input_ids"]
    return left_padded(encoded, language.tokenizer.pad_token_id, language.model.device)
