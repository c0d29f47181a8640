"""A pretrained causal LM with rows for the semantic-ID tokens. No code of its folder is run; safetensors only."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.core.model_folder import reading
from refinepoi.model.field import has_map
from refinepoi.model.rows import NOISE, make_room, start_around_mean, start_on_the_map
from refinepoi.model.source import Base, require_weights
from refinepoi.model.spec import PretrainedModel
from refinepoi.model.tokenizer import id_token_numbers, is_word_tokenizer, prepare_foreign

log = logging.getLogger("refinepoi")
COMPUTE = torch.bfloat16  # in which 4-bit weights are unpacked and multiplied
FOR_SCRATCH = ("evidence", "compact")
OFFLINE = {"local_files_only": True, "trust_remote_code": False}


def build_pretrained(
    spec: PretrainedModel, prompts: Prompts, semantic_ids: SemanticIds
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Base]:
    """Model, tokenizer, and what an adapter must know of the model."""
    base, folder = Base.of(spec.name, spec.revision, spec.path, 4 if spec.training.kind == "qlora" else 32)
    if not spec.pinned:
        log.warning(
            "model.revision: %s moves; today it is %s, and with model.revision=%s it stays that",
            spec.revision, base.revision, base.revision,
        )  # fmt: skip
    model, tokenizer = read_model(folder, base.bits, "model.path"), read_tokenizer(folder, "model.path")
    known = len(tokenizer)
    _check_words(prompts, tokenizer)
    prepare_foreign(tokenizer, prompts.id_tokens, str(folder))
    make_room(model, len(tokenizer))
    start_around_mean(model, known, len(tokenizer), NOISE.get(spec.id_init, NOISE["mean"]), spec.seed)
    if spec.id_init == "som" and has_map(semantic_ids, "mean"):
        numbers = id_token_numbers(tokenizer, semantic_ids.tokens)
        start_on_the_map(model, known, numbers, semantic_ids, spec.seed)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer, base


def _check_words(prompts: Prompts, tokenizer: PreTrainedTokenizerBase) -> None:
    """Can the model have learned to read these prompts? UserError where one of ours would read a word as any other."""
    known = tokenizer.get_vocab()
    missing = [token for token in (*prompts.words, *prompts.id_tokens) if token not in known]
    if is_word_tokenizer(tokenizer):
        if missing:
            raise UserError(
                f"model.path: built for other prompts, it has no {missing[0]!r} ({len(missing)} missing): give "
                "prompt.* and quantizer.levels as where it was trained"
            )
    elif (template := prompts.facts.get("template")) in FOR_SCRATCH:
        log.warning(
            "prompt: %s is written for models from scratch; pretrained ones read language, so give prompt=question",
            template,
        )  # fmt: skip


def read_tokenizer(folder: Path, setting: str) -> PreTrainedTokenizerBase:
    """setting: what to name in an error."""
    with reading(folder, setting):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, **OFFLINE)
    return tokenizer


def read_model(folder: Path, bits: int, setting: str) -> PreTrainedModel:
    """The model in float32 with sdpa attention; its linear layers in 4 bits where `bits` says so."""
    require_weights(folder, setting)
    settings: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32, "attn_implementation": "sdpa"}
    if bits == 4:
        settings |= _four_bits()
    with reading(folder, setting):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, **OFFLINE, **settings)
    return model


def _four_bits() -> dict[str, Any]:
    """NF4 with double quantisation, as QLoRA has it; embeddings, head and norms stay float32."""
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=COMPUTE,
        ),
        "device_map": {"": _gpu()},
    }


def _gpu() -> int | str:
    """The GPU of this process."""
    if not torch.cuda.is_available():
        raise UserError("model.training: qlora needs a CUDA GPU and torch sees none; take model/training=lora")
    return int(os.environ.get("LOCAL_RANK", "0"))
