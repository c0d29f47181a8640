"""LoRA through PEFT: put on a model, saved by itself, put on again, merged into plain weights.

The new tokens live in the embeddings and the head, which low-rank matrices leave alone. Either their rows alone are
trained (`rows`: PEFT's trainable token indices) or both matrices as a whole (`matrices`: PEFT's modules to save). Both
are part of the saved adapter. With tied embeddings PEFT must be told to keep them tied, otherwise two copies drift
apart and merging loses one.
"""

import copy
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper, TrainableTokensWrapper
from peft.utils.integrations import dequantize_bnb_weight
from transformers import PreTrainedModel

from refinepoi.core.errors import UserError
from refinepoi.model.rows import is_tied
from refinepoi.model.spec import Lora, Qlora

ADAPTER = "default"
CONFIG = "adapter_config.json"
Weights = dict[str, torch.Tensor]


def apply_lora(model: PreTrainedModel, lora: Lora | Qlora, new_tokens: list[int]) -> PeftModel:
    """A fresh adapter, drawn from torch's generator: the model's outputs are unchanged until it is trained."""
    names = dict(model.named_modules())
    for target in lora.targets:
        if target != "all-linear" and not any(name.rpartition(".")[2] == target for name in names):
            linear = sorted({n.rpartition(".")[2] for n, m in names.items() if isinstance(m, torch.nn.Linear)})
            raise UserError(f"model.training.targets: no module is called {target!r}; this model has {linear}")
    tied = is_tied(model)
    both = [model.get_input_embeddings(), model.get_output_embeddings()][: 1 if tied else 2]
    ends = [name.rpartition(".")[2] for end in both for name, module in names.items() if module is end]
    rows = lora.new_tokens == "rows" and bool(new_tokens)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules="all-linear" if lora.targets == ("all-linear",) else list(lora.targets),
        trainable_token_indices=dict.fromkeys(ends, new_tokens) if rows else None,
        modules_to_save=None if rows else ends,
        ensure_weight_tying=tied and not rows,  # rows of tied embeddings are tied without being told
        bias="none",
        task_type="CAUSAL_LM",
    )
    model.name_or_path = model.config._name_or_path = ""  # PEFT would look there, or on the Hub, at each checkpoint
    with _calm():
        return _completed(get_peft_model(model, config))


def save_adapter(model: PeftModel, folder: Path) -> None:
    """`adapter_model.safetensors` and its settings, in an order that does not change between runs."""
    model.save_pretrained(str(folder), selected_adapters=[ADAPTER], save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a model card of placeholders
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()  # PEFT keeps a set
    (folder / CONFIG).write_text(json.dumps(settings, indent=1, sort_keys=True), encoding="utf-8")


def read_adapter(model: PreTrainedModel, folder: Path, trainable: bool) -> PeftModel:
    """The base with the adapter of `folder`. The base has rows for all tokens."""
    model.name_or_path = model.config._name_or_path = ""
    with _calm():
        adapted = PeftModel.from_pretrained(model, folder, adapter_name=ADAPTER, is_trainable=trainable)
    if not trainable:  # exact, and the whole matrix is not copied at each pass
        for module in adapted.modules():
            if isinstance(module, TrainableTokensWrapper):
                module.token_adapter.merge()
    return _completed(adapted)


@torch.no_grad()
def merged(model: PeftModel) -> PreTrainedModel:
    """A plain model with the weights this one computes with, 4-bit ones unpacked. The given model is left as it is."""
    inner: Any = model.get_base_model()
    # detached: loading with `assign` would make the given model's own frozen weights trainable
    weights = {name: value.detach() for name, value in _plain(inner, "")}
    config = copy.deepcopy(inner.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        fresh: PreTrainedModel = type(inner)(config)
    fresh.load_state_dict(weights, strict=False, assign=True)
    fresh.tie_weights()
    computed = dict(inner.named_buffers())  # such as rotary frequencies: no part of a state dict
    for name, buffer in [*fresh.named_buffers()]:
        if buffer.is_meta:
            owner, _, leaf = name.rpartition(".")
            fresh.get_submodule(owner).register_buffer(leaf, computed[name], persistent=False)
    left = [name for name, value in fresh.state_dict().items() if value.is_meta]
    over = sorted(weights.keys() - fresh.state_dict().keys())
    if left or over:
        raise RuntimeError(f"merging: no weights for {left}, no place for {over}")
    return fresh


def _plain(module: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, value) of every weight below `module` as a model without adapters names it.

    Other adapters are passed over: TRL keeps the warm start beside the trained one, as `ref`.
    """
    if isinstance(module, LoraLayer):
        for name, weight in _plain(module.get_base_layer(), prefix):
            delta = module.get_delta_weight(ADAPTER) if name == f"{prefix}weight" else 0  # type: ignore[attr-defined]
            yield name, weight + delta
    elif isinstance(module, ModulesToSaveWrapper):
        yield from _plain(module.modules_to_save[ADAPTER], prefix)
    elif isinstance(module, TrainableTokensWrapper):
        yield f"{prefix}weight", module.token_adapter.get_merged_weights([ADAPTER])
    else:
        for name, value in module.named_parameters(recurse=False):
            yield prefix + name, _dense(value)
        for name, value in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield prefix + name, value
        for name, child in module.named_children():
            yield from _plain(child, f"{prefix}{name}.")


def _dense(weight: Any) -> torch.Tensor:
    return dequantize_bnb_weight(weight).float() if hasattr(weight, "quant_state") else weight


def _completed(model: PeftModel) -> PeftModel:
    inner: Any = model.get_base_model()
    head = inner.get_output_embeddings()
    if isinstance(head, TrainableTokensWrapper):
        setattr(head, "bias", None)  # noqa: B010 - TRL's head asks a linear layer for it
    return model


@contextmanager
def _calm() -> Iterator[None]:
    with warnings.catch_warnings():
        # PEFT 0.21 reads a property that transformers 5.23 has renamed
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield
