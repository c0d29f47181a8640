"""How many weights a model has and trains, and what they weigh, from settings alone: for plans. Imports nothing heavy.

Shapes of the presets are those of their config.json; another model's are read from its folder, or from the Hub's cache.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from refinepoi.model.spec import Full, PretrainedModel, Qlora, ScratchModel

TRAINED_BYTES, FROZEN_BYTES, FOUR_BITS = 16, 4, 0.56  # float32 with AdamW; float32; NF4 with its scales


@dataclass(frozen=True)
class Shape:
    """attention: width of queries.  keys: width of keys, and of values.  tied: one matrix for both ends."""

    hidden: int
    layers: int
    attention: int
    keys: int
    intermediate: int
    vocabulary: int
    tied: bool

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of the linear modules of one layer."""
        return {
            "q_proj": (self.hidden, self.attention),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.attention, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def ends(self) -> int:
        """Matrices of the vocabulary."""
        return 1 if self.tied else 2

    @property
    def in_layers(self) -> int:
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear.values())

    @property
    def total(self) -> int:
        """Norms and biases left out."""
        return self.in_layers + self.ends * self.vocabulary * self.hidden


SHAPES = {
    "Qwen/Qwen3-0.6B": Shape(1024, 28, 2048, 1024, 3072, 151936, True),
    "Qwen/Qwen3-1.7B": Shape(2048, 28, 2048, 1024, 6144, 151936, True),
    "Qwen/Qwen3-4B": Shape(2560, 36, 4096, 1024, 9728, 151936, True),
    "Qwen/Qwen3-8B": Shape(4096, 36, 4096, 1024, 12288, 151936, False),
    "Qwen/Qwen2.5-0.5B-Instruct": Shape(896, 24, 896, 128, 4864, 151936, True),
    "meta-llama/Llama-3.2-1B-Instruct": Shape(2048, 16, 2048, 512, 8192, 128256, True),
    "meta-llama/Llama-3.1-8B-Instruct": Shape(4096, 32, 4096, 1024, 14336, 128256, False),
}


@dataclass(frozen=True)
class Size:
    """total, trained: numbers of weights.  policy_bytes: of each saved policy.  training_bytes: without activations."""

    total: float
    trained: float
    policy_bytes: float
    training_bytes: float


def size_of(model: ScratchModel | PretrainedModel, id_tokens: int, words: int) -> Size | None:
    """words: of the vocabulary of a model from scratch, ID tokens included. None where the model is not known."""
    shape = _shape(model, words)
    if shape is None:
        return None
    how = model.training if isinstance(model, PretrainedModel) else None
    if how is None or isinstance(how, Full):
        total = shape.total + (id_tokens * shape.hidden * shape.ends if how else 0)
        return Size(total, total, 4 * total, TRAINED_BYTES * total)
    targets = shape.linear if how.targets == ("all-linear",) else how.targets
    widths = sum(sum(shape.linear[name]) for name in targets if name in shape.linear)
    rows = id_tokens if how.new_tokens == "rows" else shape.vocabulary + id_tokens
    trained = how.rank * shape.layers * widths + rows * shape.hidden * shape.ends
    ends = FROZEN_BYTES * shape.ends * shape.vocabulary * shape.hidden
    frozen = ends + shape.in_layers * (FOUR_BITS if isinstance(how, Qlora) else FROZEN_BYTES)
    again = (
        rows * shape.hidden if shape.tied and how.new_tokens == "matrices" else 0
    )  # PEFT writes the one matrix twice
    return Size(shape.total + trained, trained, 4 * (trained + again), TRAINED_BYTES * trained + frozen)


def _shape(model: ScratchModel | PretrainedModel, words: int) -> Shape | None:
    if isinstance(model, ScratchModel):
        keys = model.hidden * model.kv_heads // model.heads
        return Shape(model.hidden, model.layers, model.hidden, keys, model.intermediate, words, model.tie)
    if model.path is None and model.name in SHAPES:
        return SHAPES[model.name]
    config = Path(model.path).expanduser() / "config.json" if model.path else _cached(model)
    try:
        return _read(json.loads(config.read_text(encoding="utf-8"))) if config else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(config: dict[str, int]) -> Shape:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width = config.get("head_dim") or hidden // heads
    keys = config.get("num_key_value_heads", heads) * width
    tied = bool(config.get("tie_word_embeddings", False))
    layers, inner, words = config["num_hidden_layers"], config["intermediate_size"], config["vocab_size"]
    return Shape(hidden, layers, heads * width, keys, inner, words, tied)


def _cached(model: PretrainedModel) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.name or "", "config.json", revision=model.revision)
    return Path(found) if isinstance(found, str) else None
