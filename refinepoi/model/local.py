"""A pretrained causal LM from a folder: nothing is fetched, no code in the folder is run, weights are safetensors."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from refinepoi.core.errors import UserError
from refinepoi.core.seeding import generator
from refinepoi.model.tokenizer import prepare_foreign

NOISE = 0.1  # of the existing rows' standard deviation: enough to tell new tokens apart, too little to mislead


def read_folder(folder: Path, setting: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model (float32, sdpa) and tokenizer as they lie in `folder`. setting: what to name in an error."""
    for needed, what in (("config.json", "config.json"), ("*.safetensors", "safetensors weights")):
        if not any(folder.glob(needed)):
            raise UserError(f"{setting}: {folder} has no {what}; expected a Hugging Face folder of a causal LM")
    offline = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **offline)
        model = AutoModelForCausalLM.from_pretrained(
            folder, **offline, use_safetensors=True, dtype=torch.float32, attn_implementation="sdpa"
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{setting}: {folder} cannot be loaded as a causal LM ({reason})") from error
    return model, tokenizer


def build_local(path: str, id_tokens: Sequence[str], seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The folder's model with rows for the semantic-ID tokens."""
    model, tokenizer = read_folder(Path(path).expanduser(), "model.path")
    before = len(tokenizer)
    prepare_foreign(tokenizer, id_tokens, path)
    add_rows(model, before, len(tokenizer), seed)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


@torch.no_grad()
def add_rows(model: PreTrainedModel, before: int, after: int, seed: int) -> None:
    """Give tokens `before`..`after` rows at the mean of the existing ones plus noise, in input and output embeddings.

    Some models come with more rows than tokens; those spare, untrained rows are used before any are added.
    """
    if after > _rows(model, "input").shape[0]:
        model.resize_token_embeddings(after, mean_resizing=False)
    tied = _rows(model, "input") is _rows(model, "output")
    for name in ("input",) if tied else ("input", "output"):
        matrix = _rows(model, name)
        old = matrix[:before]
        draws = generator(seed, "model", "new rows", name).standard_normal((after - before, matrix.shape[1]))
        noise = torch.from_numpy(draws.astype(np.float32)) * old.std(0) * NOISE
        matrix[before:after] = old.mean(0) + noise.to(matrix)


def _rows(model: PreTrainedModel, end: str) -> torch.Tensor:
    module = model.get_input_embeddings() if end == "input" else model.get_output_embeddings()
    return cast(torch.Tensor, module.weight)
