"""The head: scores of the words that may follow, and of no others.

A catalogue's tokens are hundreds of words, a pretrained vocabulary has 150,000: their rows are gathered before anything
is multiplied. That holds for plain heads and for those that PEFT wraps to train new tokens, as rows of their own or as
a whole copy. Other heads (quantised ones, a LoRA on the head itself) compute every score, of which the wanted are kept.
"""

from typing import Any

import torch
from torch import Tensor, nn

from refinepoi.core.errors import UserError
from refinepoi.linear import Linear, product

_SCALED_HEADS = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def causal_model(model: nn.Module) -> Any:
    """The Hugging Face causal model inside a PEFT wrapper, or the model itself."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def head_scores(model: nn.Module, hidden: Tensor, vocabulary: Tensor | slice) -> Tensor:
    """Scores float32 [.., V] of the words in `vocabulary` only, from hidden states [.., D]. Differentiable."""
    core = causal_model(model)
    config = core.config.get_text_config()
    for name in _SCALED_HEADS:
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise UserError(f"model type {config.model_type} has {name}={getattr(config, name)}: not supported here")
    head = core.get_output_embeddings()
    found = _gathered(head, hidden, vocabulary)
    return (head(hidden)[..., vocabulary] if found is None else found).float()


def _gathered(head: Any, hidden: Tensor, vocabulary: Tensor | slice) -> Tensor | None:
    """The scores from these rows alone; None where the head is of a kind that is not known here."""
    if type(head) in (nn.Linear, Linear):
        weight, bias = head.weight, head.bias
        return product(hidden, weight[vocabulary], None if bias is None else bias[vocabulary])
    from peft.utils import ModulesToSaveWrapper, TrainableTokensWrapper

    if isinstance(head, ModulesToSaveWrapper):
        active = head.active_adapters[:1] if not head.disable_adapters else []
        used = [head.modules_to_save[name] for name in active if name in head.modules_to_save]
        return _gathered(used[0] if used else head.original_module, hidden, vocabulary)
    if isinstance(head, TrainableTokensWrapper):
        return _with_trained_rows(head.token_adapter, hidden, vocabulary)
    return None


def _with_trained_rows(layer: Any, hidden: Tensor, vocabulary: Tensor | slice) -> Tensor | None:
    """layer: PEFT's TrainableTokensLayer, which replaces rows of its base layer, unless they are merged into it."""
    base = layer.base_layer
    if type(base) not in (nn.Linear, Linear) or base.bias is not None or (layer.disable_adapters and layer.merged):
        return None  # PEFT leaves the bias out and unmerges: that is its own to do
    scores = product(hidden, base.weight[vocabulary])
    if layer.disable_adapters or layer.merged:
        return scores
    for name in layer.active_adapters:
        rows = layer.trainable_tokens_delta[name].to(base.weight)
        place = torch.full((len(base.weight),), -1, dtype=torch.long, device=hidden.device)
        place[torch.tensor(layer.token_indices[name], device=hidden.device)] = torch.arange(
            len(rows), device=hidden.device
        )
        place = place[vocabulary]
        trained = product(hidden, rows)[..., place.clamp(min=0)]
        scores = torch.where(place >= 0, trained, scores)
    return scores
