"""Build, load, save, adapt: the four ways other packages meet a language model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.errors import UserError
from refinepoi.linear import quicken
from refinepoi.model.local import build_local, read_folder
from refinepoi.model.scratch import build_scratch
from refinepoi.model.spec import LocalModel, ScratchModel

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """
    model: causal LM in float32, on the CPU unless moved; a PeftModel while a LoRA is trained.
    tokenizer: pads on the left, ends answers with its eos token, adds nothing to answers.
    """

    model: "PreTrainedModel | PeftModel"
    tokenizer: PreTrainedTokenizerBase

    def __post_init__(self) -> None:
        quicken(self.model)


def build(spec: ScratchModel | LocalModel, prompts: Prompts) -> LanguageModel:
    """A model nobody has trained on these prompts yet, ready to be trained."""
    _quiet()
    with _generator_of(spec):
        if isinstance(spec, ScratchModel):
            model, tokenizer = build_scratch(spec, prompts)
        else:
            model, tokenizer = build_local(spec.path, prompts.id_tokens, spec.seed)
    _greedy(model, tokenizer)
    return adapt(LanguageModel(model, tokenizer), spec)


def load(folder: Path, trainable: bool = False) -> LanguageModel:
    """A policy as `save` wrote it. Without `trainable`: evaluation mode, no gradients."""
    _quiet()
    if (folder / ADAPTER_FILE).exists():
        raise UserError(f"policy: {folder} holds a bare adapter; policies are saved with their weights merged")
    model, tokenizer = read_folder(folder, "policy")
    tokenizer.padding_side = "left"
    _greedy(model, tokenizer)
    model.train(trainable)
    model.requires_grad_(trainable)
    return LanguageModel(model, tokenizer)


def adapt(lm: LanguageModel, spec: ScratchModel | LocalModel) -> LanguageModel:
    """Put a fresh LoRA on a plain model where the settings ask for one. Outputs do not change."""
    if isinstance(spec, ScratchModel) or spec.lora is None:
        return lm
    from refinepoi.model.adapter import apply_lora

    if not isinstance(lm.model, PreTrainedModel):
        raise TypeError("adapt: the model already has an adapter")
    with _generator_of(spec):
        return LanguageModel(apply_lora(lm.model, spec.lora), lm.tokenizer)


def save(lm: LanguageModel, folder: Path) -> None:
    """Whole weights (an adapter is merged into a copy), config and tokenizer. The model itself is left as it is."""
    _quiet()
    model = lm.model
    if not isinstance(model, PreTrainedModel):
        from refinepoi.model.adapter import merged

        model = merged(model)
    _greedy(model, lm.tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)


@contextmanager
def _generator_of(spec: ScratchModel | LocalModel) -> Iterator[None]:
    """Torch's generator as the spec seeds it; afterwards it is as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        yield


def _greedy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Replace whatever sampling a folder recommends: here all sampling settings are given where text is drawn."""
    model.generation_config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        temperature=1.0,
        top_p=1.0,
        repetition_penalty=1.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _quiet() -> None:
    """No progress bars and hints of the library: the stage shows its own."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def device_of(lm: LanguageModel) -> torch.device:
    """Where the model's weights are."""
    return next(lm.model.parameters()).device
