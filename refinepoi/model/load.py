"""Build, load, save, adapt: the four ways other packages meet a language model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.linear import quicken
from refinepoi.model.pretrained import build_pretrained, read_model, read_tokenizer
from refinepoi.model.rows import make_room
from refinepoi.model.scratch import build_scratch
from refinepoi.model.source import FILE as BASE_FILE
from refinepoi.model.source import Base
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.model.tokenizer import added_numbers

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """
    model: causal LM in float32, on the CPU unless moved; a PeftModel while a LoRA is trained.
    tokenizer: pads on the left, ends answers with its eos token, adds nothing to answers.
    base: the pretrained model it was built on. With it an adapter is saved by itself, without it merged.
    origin: the pretrained model that weights trained as a whole began as; its licence holds for them.
    """

    model: "PreTrainedModel | PeftModel"
    tokenizer: PreTrainedTokenizerBase
    base: Base | None = None
    origin: Base | None = None

    def __post_init__(self) -> None:
        quicken(self.model)


def build(spec: ScratchModel | PretrainedModel, prompts: Prompts, semantic_ids: SemanticIds) -> LanguageModel:
    """A model nobody has trained on these prompts yet, ready to be trained."""
    _quiet()
    with _generator_of(spec.seed):
        if isinstance(spec, ScratchModel):
            lm = LanguageModel(*build_scratch(spec, prompts, semantic_ids))
        else:
            lm = LanguageModel(*build_pretrained(spec, prompts, semantic_ids))
    _greedy(lm)
    return adapt(lm, spec)


def load(folder: Path, trainable: bool = False) -> LanguageModel:
    """A policy as `save` wrote it. Without `trainable`: evaluation mode, no gradients."""
    _quiet()
    tokenizer = read_tokenizer(folder, "policy")
    tokenizer.padding_side = "left"
    if (folder / ADAPTER_FILE).exists():
        lm = _adapted(folder, tokenizer, trainable)
    else:
        origin = Base.read(folder) if (folder / BASE_FILE).exists() else None
        lm = LanguageModel(read_model(folder, 32, "policy"), tokenizer, origin=origin)
        lm.model.requires_grad_(trainable)
    _greedy(lm)
    lm.model.train(trainable)
    return lm


def adapt(lm: LanguageModel, spec: ScratchModel | PretrainedModel) -> LanguageModel:
    """Put a fresh LoRA on a plain model where the settings ask for one. Outputs do not change.

    A model that has its adapter keeps it: stages that follow each other train one adapter.
    """
    if isinstance(spec, ScratchModel) or spec.training.kind == "full" or not isinstance(lm.model, PreTrainedModel):
        return lm
    from refinepoi.model.adapter import apply_lora

    with _generator_of(spec.seed):
        return replace(lm, model=apply_lora(lm.model, spec.training, added_numbers(lm.tokenizer)))


def save(lm: LanguageModel, folder: Path) -> None:
    """The policy as `load` reads it; the model itself is left as it is.

    Whole weights, config, tokenizer and what they began as; of an adapter on a known base only the adapter, the
    tokenizer and what the base was, since copies of a large base would fill the disk. An adapter on anything else is
    merged into a copy.
    """
    if isinstance(lm.model, PreTrainedModel) or lm.base is None:
        save_merged(lm, folder)
        if origin := lm.base or lm.origin:
            origin.write(folder)
        return
    from refinepoi.model.adapter import save_adapter

    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(lm.model, folder)
    lm.base.write(folder)
    lm.tokenizer.save_pretrained(folder)


def save_merged(lm: LanguageModel, folder: Path) -> None:
    """Whole weights that need no base, config and tokenizer: a folder that any tool reads."""
    _quiet()
    model = plain(lm)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)


def plain(lm: LanguageModel) -> PreTrainedModel:
    """The model itself, or the adapter merged into a copy of its base, with our generation settings."""
    model = lm.model
    if not isinstance(model, PreTrainedModel):
        from refinepoi.model.adapter import merged

        model = merged(model)
    _greedy(LanguageModel(model, lm.tokenizer))
    return model


def _adapted(folder: Path, tokenizer: PreTrainedTokenizerBase, trainable: bool) -> LanguageModel:
    from refinepoi.model.adapter import read_adapter

    base = Base.read(folder)
    with _generator_of(0):  # what is drawn here is replaced by the adapter's own values
        model = read_model(base.found(), base.bits, "policy")
        make_room(model, len(tokenizer))
        model.config.pad_token_id = tokenizer.pad_token_id
        return LanguageModel(read_adapter(model, folder, trainable), tokenizer, base)


@contextmanager
def _generator_of(seed: int) -> Iterator[None]:
    """Torch's generator as seeded; afterwards it is as it was before."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def _greedy(lm: LanguageModel) -> None:
    """Replace whatever sampling a folder recommends: here all sampling settings are given where text is drawn."""
    model, tokenizer = lm.model, lm.tokenizer
    config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        temperature=1.0,
        top_p=1.0,
        repetition_penalty=1.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    inner: Any = model if isinstance(model, PreTrainedModel) else model.get_base_model()
    inner.generation_config = config


def _quiet() -> None:
    """No progress bars and hints of the library: the stage shows its own."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def device_of(lm: LanguageModel) -> torch.device:
    """Where the model's weights are."""
    return next(lm.model.parameters()).device
