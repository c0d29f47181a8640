"""Are the engine that samples and the model that is trained the same policy? Asked before the first step.

vLLM loads the weights anew, with kernels of its own; a wrong tokenizer, a missed token row or another rotary setting
would not raise, but train on answers of another policy. Both answer a few prompts greedily: the engine's tokens must be
the model's likeliest ones, up to near ties of rounding, and have the same log-probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from refinepoi.core.errors import UserError
from refinepoi.decoding.branches import evaluating
from refinepoi.decoding.padding import left_padded
from refinepoi.grpo.spec import ParitySpec
from refinepoi.model.load import LanguageModel

Greedy = Callable[[list[list[int]], int], tuple[list[list[int]], list[list[float]]]]
"""(prompts' token ids, most tokens) -> the likeliest tokens after each, and their log-probabilities."""


@dataclass(frozen=True)
class Parity:
    """
    same: share of the engine's tokens that are the model's likeliest at their place, given the engine's earlier ones.
    logprob: mean absolute difference of their log-probabilities, in nats.  tokens: how many were compared.
    """

    same: float
    logprob: float
    tokens: int


def require_parity(
    spec: ParitySpec, greedy: Greedy, language: LanguageModel, prompts: Sequence[str], length: int
) -> Parity:
    """Raises UserError where the engine answers as another policy would."""
    encoded = language.tokenizer(list(prompts[: spec.prompts]))["input_ids"]
    found = parity(greedy, language, encoded, length)
    if found.same < spec.same or found.logprob > spec.logprob:
        raise UserError(
            f"grpo.engine: over {found.tokens} tokens, {found.same:.1%} of vLLM's greedy choices are the model's "
            f"(at least {spec.same:.1%}) and log-probabilities differ by {found.logprob:.4f} nats (at most "
            f"{spec.logprob}); update vllm, loosen grpo.parity, or give grpo.engine=transformers"
        )
    return found


@torch.no_grad()
def parity(greedy: Greedy, language: LanguageModel, prompts: list[list[int]], length: int) -> Parity:
    answers, logprobs = greedy(prompts, length)
    model, tokenizer = language.model, language.tokenizer
    same, apart = [], []
    with evaluating(model):
        for prompt, answer, given in zip(prompts, answers, logprobs, strict=True):
            input_ids, mask = left_padded([[*prompt, *answer]], tokenizer.pad_token_id, model.device)
            scores = model(input_ids=input_ids, attention_mask=mask, logits_to_keep=len(answer) + 1).logits[0, :-1]
            logp = scores.float().log_softmax(-1)
            tokens = torch.tensor(answer, device=logp.device)
            same.append(logp.argmax(-1) == tokens)
            apart.append((logp.gather(1, tokens[:, None])[:, 0] - torch.tensor(given, device=logp.device)).abs())
    agreed, distance = torch.cat(same), torch.cat(apart)
    return Parity(float(agreed.float().mean()), float(distance.mean()), len(agreed))
