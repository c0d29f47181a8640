"""Which language model. Values in `conf/model`."""

import importlib.util
import os
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.model_folder import content_of, folder_problems
from refinepoi.core.resources import may_have_gpu
from refinepoi.core.spec import Count, Positive, Spec

COMMIT = re.compile(r"[0-9a-f]{40}")


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
    id_init: Literal["som", "random"] = Field(description="where semantic-ID tokens start")
    rope_theta: float = Field(gt=1, description="base of the rotary positions; the slowest pairs compare contents")
    start: Literal["random", "copying"] = Field(description="copying: with induction heads in place (model/copying.py)")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of 2 x heads ({self.heads})")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} must be a multiple of kv_heads ({self.kv_heads})")
        return self

    @model_validator(mode="after")
    def _can_start_copying(self) -> Self:
        fits = self.architecture == "llama" and self.tie and self.heads == self.kv_heads
        if self.start == "copying" and not (fits and self.heads > 1 and self.layers > 1):
            raise ValueError(
                "start copying: needs architecture llama, tie true, two layers or more and as many kv_heads as heads, "
                "two or more; take start random"
            )
        return self


class Full(Spec):
    """All weights are trained."""

    kind: Literal["full"]


class _LowRank(Spec):
    """Low-rank matrices beside frozen weights, and the new tokens, which no low-rank matrix could hold."""

    rank: Count
    alpha: Positive
    dropout: float = Field(ge=0, lt=1)
    targets: tuple[str, ...] = Field(min_length=1, description="names of linear modules, or `all-linear` alone")
    new_tokens: Literal["rows", "matrices"] = Field(description="what is trained of embeddings and head")

    @model_validator(mode="after")
    def _all_or_names(self) -> Self:
        if "all-linear" in self.targets and len(self.targets) > 1:
            raise ValueError("targets: `all-linear` stands alone")
        return self


class Lora(_LowRank):
    kind: Literal["lora"]


class Qlora(_LowRank):
    """The frozen weights are held in 4 bits (NF4, double quantisation; arXiv 2305.14314)."""

    kind: Literal["qlora"]

    def problems(self) -> list[str]:
        remedy = "take model/training=lora"
        if importlib.util.find_spec("bitsandbytes") is None:
            return [f'model.training: qlora needs bitsandbytes; pip install "refinepoi[qlora]", or {remedy}']
        if not may_have_gpu():
            return [f"model.training: qlora needs a CUDA GPU and this machine has none; {remedy}"]
        return []


class PretrainedModel(Spec):
    """A causal LM of the Hugging Face Hub or of a folder (config, safetensors, tokenizer). No code in it is run."""

    kind: Literal["pretrained"]
    name: str | None = Field(min_length=1, description="on the Hub, such as Qwen/Qwen3-0.6B")
    revision: str | None = Field(min_length=1, description="commit on the Hub; a branch such as main moves")
    path: str | None = Field(min_length=1, description="folder to read instead of the Hub")
    training: Annotated[Full | Lora | Qlora, Field(discriminator="kind")]
    id_init: Literal["som", "mean", "random"] = Field(description="where semantic-ID tokens start")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.name is None and self.path is None:
            raise ValueError("path: has no value; give model.path=FOLDER, or model.name and model.revision")
        if self.path is None and self.revision is None:
            raise ValueError(
                f"revision: has no value; give the commit of {self.name} that is meant (model.revision=main takes "
                "today's, and another one once the branch moves)"
            )
        return self

    @property
    def pinned(self) -> bool:
        """Whether the settings name one state of the weights for good."""
        return self.path is not None or bool(COMMIT.fullmatch(self.revision or ""))

    def identity(self) -> Any:
        """A folder is known by what it holds, not by where it lies."""
        content = content_of(self.path) if self.path is not None else ""
        return self.model_dump(mode="json") | {"content": content} | ({"path": None} if content else {})

    def problems(self) -> list[str]:
        """What can be seen without loading the model."""
        found = self.training.problems() if isinstance(self.training, Qlora) else []
        if self.path is not None:
            found += folder_problems("model.path", self.path)
        elif os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
            from refinepoi.model.source import missing

            found += missing(self.name or "", self.revision or "")
        return found


ModelSpec = Annotated[ScratchModel | PretrainedModel, Field(discriminator="kind")]
