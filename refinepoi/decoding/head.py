"""The head: scores of the words that may follow, and of no others.

A catalogue's tokens are hundreds of words, a pretrained vocabulary has 150,000: their rows are gathered before anything
is multiplied. That holds for plain heads and for those that PEFT wraps to train new tokens, as rows of their own or as
a whole copy. Other heads (quantised ones, a LoRA on the head itself) compute every score, of which the wanted are kept.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from refinepoi.core.errors import UserError
from refinepoi.linear import Linear, product

Head = Callable[[Tensor], Tensor]
"""Hidden states [.., D] -> scores float32 [.., V]."""

_SCALED_HEADS = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def causal_model(model: nn.Module) -> Any:
    """The Hugging Face causal model inside a PEFT wrapper, or the model itself."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def head_of(model: nn.Module, vocabulary: Tensor | slice) -> Head:
    """Scores of the words in `vocabulary` only, with the weights as they are now: made once, used many times.

    Differentiable where it is made and used with gradients.
    """
    core = causal_model(model)
    config = core.config.get_text_config()
    for name in _SCALED_HEADS:
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise UserError(f"model type {config.model_type} has {name}={getattr(config, name)}: not supported here")
    head = core.get_output_embeddings()
    rows = _gathered(head, vocabulary)
    if rows is None:
        return lambda hidden: head(hidden)[..., vocabulary].float()
    weight, bias = rows
    return lambda hidden: product(hidden, weight, bias).float()


def _gathered(head: Any, vocabulary: Tensor | slice) -> tuple[Tensor, Tensor | None] | None:
    """Rows [V, D] and biases [V] of a head; None where the head is of a kind that is not known here."""
    if type(head) in (nn.Linear, Linear):
        return head.weight[vocabulary], None if head.bias is None else head.bias[vocabulary]
    from peft.utils import ModulesToSaveWrapper, TrainableTokensWrapper

    if isinstance(head, ModulesToSaveWrapper):
        active = head.active_adapters[:1] if not head.disable_adapters else []
        used = [head.modules_to_save[name] for name in active if name in head.modules_to_save]
        return _gathered(used[0] if used else head.original_module, vocabulary)
    if isinstance(head, TrainableTokensWrapper):
        return _with_trained_rows(head.token_adapter, vocabulary)
    return None


def _with_trained_rows(layer: Any, vocabulary: Tensor | slice) -> tuple[Tensor, None] | None:
    """layer: PEFT's TrainableTokensLayer, which replaces rows of its base layer, unless they are merged into it."""
    base = layer.base_layer
    if type(base) not in (nn.Linear, Linear) or base.bias is not None or (layer.disable_adapters and layer.merged):
        return None  # PEFT leaves the bias out and unmerges: that is its own to do
    weight = base.weight[vocabulary]
    if layer.disable_adapters or layer.merged:
        return weight, None
    for name in layer.active_adapters:
        rows = layer.trainable_tokens_delta[name].to(weight)
        place = torch.full((len(base.weight),), -1, dtype=torch.long, device=weight.device)
        numbers = torch.tensor(layer.token_indices[name], device=weight.device)
        place[numbers] = torch.arange(len(rows), device=weight.device)
        place = place[vocabulary]
        weight = torch.where(place[:, None] >= 0, rows[place.clamp(min=0)], weight)
    return weight, None
