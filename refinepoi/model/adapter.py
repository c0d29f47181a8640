"""LoRA through PEFT, and the way back to plain weights.

The new tokens live in the embeddings and the head, so both are trained in full beside the adapter. With tied embeddings
PEFT must be told to keep them tied (`ensure_weight_tying`), otherwise two copies drift apart and merging loses one.
"""

import warnings
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from refinepoi.core.errors import UserError
from refinepoi.model.spec import Lora

ADAPTER = "default"


def apply_lora(model: PreTrainedModel, lora: Lora) -> PeftModel:
    """A fresh adapter, drawn from torch's generator: the model's outputs are unchanged until it is trained."""
    names = dict(model.named_modules())
    for target in lora.targets:
        if target != "all-linear" and not any(name.rpartition(".")[2] == target for name in names):
            linear = sorted({n.rpartition(".")[2] for n, m in names.items() if isinstance(m, torch.nn.Linear)})
            raise UserError(f"model.lora.targets: no module is called {target!r}; this model has {linear}")
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    tied = _tied(model)
    saved = [name.rpartition(".")[2] for name, module in names.items() if id(module) in ends]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules="all-linear" if lora.targets == ("all-linear",) else list(lora.targets),
        modules_to_save=saved[:1] if tied else saved,
        ensure_weight_tying=tied,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # PEFT 0.21 reads a property that transformers 5.23 has renamed
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(model, config)


@torch.no_grad()
def merged(model: PeftModel) -> PreTrainedModel:
    """A plain model with the weights this one computes with. The given model is left as it is."""
    inner: Any = model.get_base_model()
    adapted: dict[str, Any] = {n: module for n, module in inner.named_modules() if isinstance(module, LoraLayer)}
    deltas = {f"{name}.weight": module.get_delta_weight(ADAPTER) for name, module in adapted.items()}
    weights: dict[str, torch.Tensor] = {}
    for name, value in inner.state_dict().items():
        if ".lora_" in name or ".original_module." in name:
            continue
        if ".modules_to_save." in name and f".modules_to_save.{ADAPTER}." not in name:
            continue  # another adapter's copy: TRL keeps the warm start beside the trained one, as `ref`
        plain = name.replace(".base_layer.", ".").replace(f".modules_to_save.{ADAPTER}.", ".")
        weights[plain] = value + deltas[plain].to(value) if plain in deltas else value
    with torch.device("meta"):
        fresh: PreTrainedModel = type(inner)(inner.config)
    fresh.load_state_dict(weights, assign=True)
    fresh.tie_weights()
    return fresh


def _tied(model: PreTrainedModel) -> bool:
    return model.get_input_embeddings().weight is model.get_output_embeddings().weight
