"""Looks at a reward before any training: samples of the warm start, and answers that would game it."""

from typing import Any, cast

import numpy as np
import polars as pl
import torch

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.reward_report import RewardReport
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.seeding import generator
from refinepoi.core.stage import Context
from refinepoi.grpo.reward_figures import degenerate_answers, earned, hints, sampled_figures
from refinepoi.grpo.reward_page import draw, page
from refinepoi.grpo.reward_samples import free_answers, listed_answers
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.grpo.train import catalogue_trie
from refinepoi.model.load import load
from refinepoi.prompt.settle import settle
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec

PROMPTS = 256
UNCUT = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "mask_truncated_completions": False}


def look(
    context: Context,
    spec: GrpoTrain,
    reward: RewardSpec,
    warm_start: Policy,
    prompts: Prompts,
    semantic_ids: SemanticIds,
    places: Places,
) -> RewardReport:
    """Draw, judge, and write the page and pictures beside the artifact."""
    language = load(warm_start.model)
    prompts = settle(prompts, language.tokenizer)
    table = prompts.table.filter(pl.col("split") == SPLITS.index("train"))
    rows = generator(spec.seed, "reward report").permutation(table.height)[:PROMPTS]
    asked, target = table["prompt"].gather(rows).to_list(), table["target"].gather(rows).to_numpy().astype(np.int64)
    rewards = Rewards(reward, semantic_ids, places, prompts.list_length, bool(prompts.facts.get("reasoning", False)))
    content: dict[str, Any] = {"weights": reward.active, "samplers": {}}
    if context.runtime.device != "cpu" and torch.cuda.is_available():
        cast(Any, language.model).to("cuda")
    trie = catalogue_trie(semantic_ids, language.tokenizer).to(language.model.device)
    for sampler in dict.fromkeys((spec.sampler, "constrained", "free")):
        if sampler == "free":
            answers = free_answers(language, spec, asked)
        else:
            lists = spec.model_copy(update={"sampler": sampler, **UNCUT})
            answers = listed_answers(language, lists, trie, rewards.k, asked, semantic_ids.texts)
        values = earned(rewards, answers, target.repeat(spec.num_generations))
        figures = sampled_figures(values, spec.num_generations, reward.active)
        content["samplers"][sampler] = {"prompts": len(asked), "group": spec.num_generations, **figures}
    gaming = degenerate_answers(asked, target, rewards, semantic_ids, generator(spec.seed, "random lists"))
    content["answers"] = [
        {"answer": name} | {term: round(float(v.mean()), 4) for term, v in earned(rewards, texts, target).items()}
        for name, texts in gaming.items()
    ]
    content["hints"] = hints(content)
    folder = context.folder / "pictures"
    folder.mkdir(exist_ok=True)
    pictures = {sampler: draw(figures) for sampler, figures in content["samplers"].items()}
    for sampler, png in pictures.items():
        (folder / f"rewards_{sampler}.png").write_bytes(png)
    (folder / "rewards.html").write_text(page(content, pictures), encoding="utf-8")
    return RewardReport(content)
