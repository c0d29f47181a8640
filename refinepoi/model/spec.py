"""Which language model. Values in `conf/model`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, Positive, Spec


class ScratchModel(Spec):
    """Random weights; the tokenizer is made of the prompts' own words and the semantic-ID tokens."""

    kind: Literal["scratch"]
    architecture: Literal["qwen3", "llama"]
    hidden: Count
    layers: Count
    heads: Count
    kv_heads: Count
    intermediate: Count = Field(description="width of the feed-forward layers")
    tie: bool = Field(description="one matrix for input and output embeddings")
    init: Positive = Field(description="standard deviation of the random weights")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of 2 x heads ({self.heads})")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} must be a multiple of kv_heads ({self.kv_heads})")
        return self


class Lora(Spec):
    """Low-rank adapter. Embeddings and head are trained beside it, since they hold the new tokens."""

    rank: Count
    alpha: Positive
    dropout: float = Field(ge=0, lt=1)
    targets: tuple[str, ...] = Field(min_length=1, description="names of linear modules, or `all-linear` alone")

    @model_validator(mode="after")
    def _all_or_names(self) -> Self:
        if "all-linear" in self.targets and len(self.targets) > 1:
            raise ValueError("targets: `all-linear` stands alone")
        return self


class LocalModel(Spec):
    """A Hugging Face causal LM folder (config, safetensors, tokenizer). Nothing is downloaded, no code in it is run."""

    kind: Literal["local"]
    path: str = Field(min_length=1)
    lora: Lora | None = Field(description="null: all weights are trained")
    seed: int = Field(ge=0)

    def problems(self) -> list[str]:
        """What can be seen without loading the model."""
        if not (Path(self.path) / "config.json").is_file():
            return [f"model.path: no model in {self.path!r}; give a Hugging Face folder that holds config.json"]
        return []


ModelSpec = Annotated[ScratchModel | LocalModel, Field(discriminator="kind")]
