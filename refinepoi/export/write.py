"""Writes the exported folder, file by file."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS, Trajectories
from refinepoi.export import example
from refinepoi.export.card import licence_of, model_card
from refinepoi.export.spec import ExportSpec
from refinepoi.model.load import LanguageModel, load, plain
from refinepoi.prompt.settle import settle

log = logging.getLogger("refinepoi")
PLAIN_CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_folder(
    folder: Path,
    spec: ExportSpec,
    policy: Policy,
    prompts: Prompts,
    semantic_ids: SemanticIds,
    trajectories: Trajectories,
    metrics: dict[str, Any] | None,
) -> None:
    """metrics: content of the Metrics artifact, for the model card."""
    language = load(policy.model)
    weights = plain(language).to(getattr(torch, spec.dtype))
    write_model(folder, LanguageModel(weights, language.tokenizer), prompts, semantic_ids)
    table = id_table(semantic_ids, trajectories)
    table.write_csv(folder / "ids.csv")
    table.write_parquet(folder / "ids.parquet")
    settings: dict[str, Any] = {"list_length": prompts.list_length, "levels": semantic_ids.levels}
    if spec.example:
        settings["prompt"] = example_prompt(prompts, language)
    (folder / "example.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False), encoding="utf-8")
    shutil.copyfile(Path(example.__file__), folder / "example.py")
    size = sum(p.numel() for p in weights.parameters())
    base = language.base or language.origin
    if base is not None and licence_of(spec, base) is None:
        log.warning("export.licence: that of the base is not known here; look it up and give export.licence=NAME")
    card = model_card(spec, policy, base, size, prompts, semantic_ids, trajectories.facts["protocol"], metrics)
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_model(folder: Path, language: LanguageModel, prompts: Prompts, semantic_ids: SemanticIds) -> None:
    """Weights, config, tokenizer with a chat template, and generation settings: greedy, long enough for one list."""
    model: Any = language.model
    model.config.dtype = model.dtype
    model.generation_config.max_new_tokens = prompts.list_length * semantic_ids.levels + 1  # and the end
    if language.tokenizer.chat_template is None:  # a prompt is all such a model was ever asked
        language.tokenizer.chat_template = PLAIN_CHAT
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    language.tokenizer.save_pretrained(folder)


def example_prompt(prompts: Prompts, language: LanguageModel) -> str:
    """A user's own, the first of validation, as the model reads it: in its chat template and within the budget."""
    first = prompts.table.filter(pl.col("split") == SPLITS.index("validation"))[:1]
    return "".join(settle(replace(prompts, table=first), language.tokenizer).table["prompt"])


def id_table(semantic_ids: SemanticIds, trajectories: Trajectories) -> pl.DataFrame:
    """One row a place, in the order of the catalogue: its ID and what it is."""
    columns = ["poi_id", "category", "latitude", "longitude"]
    return trajectories.pois.select(pl.Series("semantic_id", semantic_ids.texts), *columns)
