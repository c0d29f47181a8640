"""One GRPO run from a warm start: prompts in, the best policy by validation out. Continues a run that was killed."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from datasets import Dataset
from transformers import PrinterCallback

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core import interruption
from refinepoi.core.seeding import seed_torch
from refinepoi.core.stage import Context
from refinepoi.decoding.trie import Trie
from refinepoi.grpo.alerts import judge
from refinepoi.grpo.batching import plan_batches, plan_prompts, require_prompts
from refinepoi.grpo.curves import RewardedValidation, renamed
from refinepoi.grpo.parity import require_parity
from refinepoi.grpo.rollout import constrained_rollout, drawing
from refinepoi.grpo.settings import trainer_settings
from refinepoi.grpo.spec import GrpoTrain
from refinepoi.grpo.trainer import ListTrainer
from refinepoi.model.load import adapt, load
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.settle import settle
from refinepoi.reward.combine import Rewards
from refinepoi.reward.places import Places
from refinepoi.reward.spec import RewardSpec
from refinepoi.training import ranks
from refinepoi.training.checkpoints import last_complete, step_of
from refinepoi.training.device import use_cpu
from refinepoi.training.shards import PolicySaver
from refinepoi.training.validation import Validation
from refinepoi.training.watch import Memory, Rhythm, Watch

# Warnings about how TRL 1.16 calls other libraries, by their exact words: nothing a user could do about them.
NOT_FOR_USERS = (
    ("`is_gradient_checkpointing` is deprecated", FutureWarning),  # a name that transformers 5.23 has renamed
    ("You have requested `ensure_weight_tying`", UserWarning),  # for the frozen copy of a LoRA, which nothing ties
)


def train(
    context: Context,
    spec: GrpoTrain,
    reward: RewardSpec,
    model_spec: Any,
    warm_start: Policy,
    prompts: Prompts,
    semantic_ids: SemanticIds,
    places: Places,
) -> Policy:
    """Train on the prompts of the train split. Returns the policy as it lies in `context.work`."""
    seed_torch(spec.seed)
    language = adapt(load(warm_start.model, trainable=True), model_spec)
    prompts = settle(prompts, language.tokenizer)
    table = prompts.table.filter(pl.col("split") == SPLITS.index("train"))
    require_prompts(table.height, spec.prompts_per_step)
    cpu = use_cpu(context.runtime.device, spec.precision, "grpo", spec.engine)
    trie = catalogue_trie(semantic_ids, language.tokenizer).to("cpu" if cpu else "cuda")
    trie.require_places(prompts.list_length)
    reasoning = bool(prompts.facts.get("reasoning", False))
    rewards = Rewards(reward, semantic_ids, places, prompts.list_length, reasoning)
    resumed = ranks.first_here(lambda: last_complete(context.work))
    memory = Memory(**resumed[1]) if resumed else Memory()
    constrained = spec.sampler != "free"
    k, batch = prompts.list_length, context.runtime.micro_batch
    thinking = max(1, spec.max_new_tokens - k * trie.levels - 1) if reasoning else 0  # as much as samples have
    sample = Validation.sample(prompts, trie, spec.eval_queries, batch, spec.seed, thinking)
    saver = PolicySaver(language, context.runtime.strategy.kind == "fsdp")
    watch = Watch(
        context,
        context.work,
        Rhythm(spec.steps, spec.eval_every, spec.save_every, aligned=spec.num_iterations),
        RewardedValidation(**vars(sample), rewards=rewards),
        saver,
        renamed,
        memory,
        lambda memory: judge(spec.alerts, spec.steps, memory),
    )
    with warnings.catch_warnings():
        for message, category in NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message, category)
        trainer = ListTrainer(
            model=language.model,
            reward_funcs=rewards.functions(),
            args=trainer_settings(
                spec,
                plan_batches(spec.prompts_per_step, spec.num_generations, batch, ranks.count()),
                rewards.weights,
                k * trie.levels,
                context.work,
                cpu,
                context.runtime.vllm,
            ),
            train_dataset=_asked(table, spec),
            processing_class=language.tokenizer,
            callbacks=[watch],
            rollout_func=constrained_rollout(drawing(spec, trie, k)) if constrained else None,
            trie=trie if constrained else None,
            credit=rewards if spec.credit == "item" else None,
        )
        trainer.remove_callback(PrinterCallback)
        if spec.engine != "transformers":
            require_parity(spec.parity, trainer.greedy, language, table["prompt"].to_list(), spec.max_new_tokens)
        with interruption.saving():
            trainer.train(resume_from_checkpoint=str(resumed[0]) if resumed else None)
    asked = np.mean([len(ids) for ids in language.tokenizer(table["prompt"].head(200).to_list())["input_ids"]])
    answered = spec.num_generations * k * trie.levels
    ran = trainer.state.global_step - (step_of(resumed[0]) if resumed else 0)
    context.cost["tokens"] = ran * spec.prompts_per_step * (float(asked) + answered)
    return Policy(_result(context, spec, saver, memory), _facts(spec, memory))


def _asked(table: pl.DataFrame, spec: GrpoTrain) -> Dataset:
    """The prompts of the whole run in the order they are asked."""
    rows = Dataset.from_dict({"prompt": table["prompt"].to_list(), "target": table["target"].to_list()})
    batches = -(-spec.steps // spec.num_iterations)
    return rows.select(plan_prompts(table.height, spec.prompts_per_step, batches, spec.seed))


def catalogue_trie(semantic_ids: SemanticIds, tokenizer: Any) -> Trie:
    """The trie over the tokenizer's ids of all semantic IDs."""
    return Trie.of(np.array(id_token_numbers(tokenizer, semantic_ids.tokens), np.int64)[semantic_ids.token_index])


def _result(context: Context, spec: GrpoTrain, saver: PolicySaver, memory: Memory) -> Path:
    if spec.keep == "best" or memory.stopped:
        return context.work / f"best-{memory.best}"
    saver(context.work / "last")
    ranks.wait()
    return context.work / "last"


ESTIMATOR = {
    "constrained": "samples of the constrained policy, scored over the allowed tokens: unbiased on policy",
    "beams": "the likeliest lists, counted alike, scored over the allowed tokens: biased (docs/method.md section 8)",
    "free": "samples of the model's text, scored over the whole vocabulary: unbiased on policy",
    "truncated": "samples of the model's text with unlikely tokens cut off, scored with them: biased",
}


def _facts(spec: GrpoTrain, memory: Memory) -> dict[str, Any]:
    kept = memory.best if spec.keep == "best" or memory.stopped else spec.steps
    cut = (spec.top_p, spec.top_k, spec.min_p, spec.repetition_penalty) != (1.0, 0, 0.0, 1.0)
    return {
        "trained": "grpo",
        "steps": spec.steps,
        "step": kept,
        "keep": spec.keep,
        "estimator": ESTIMATOR["truncated" if spec.sampler == "free" and cut else spec.sampler],
        "validation": memory.validation,
        "alerts": memory.alerts,
    }
