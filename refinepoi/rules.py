"""Rules that no part sees alone: what does not fit together, each with its remedy, found before anything is trained."""

from collections.abc import Iterator
from string import ascii_uppercase
from typing import TYPE_CHECKING

from refinepoi.core.model_folder import whole_words
from refinepoi.core.resources import may_have_gpu
from refinepoi.core.spec import grid_shape
from refinepoi.prompt.spec import QuestionPrompt
from refinepoi.ranker.spec import KERNELS, SCORES, added_counters

if TYPE_CHECKING:
    from refinepoi.experiment import Experiment


def _lists(experiment: "Experiment") -> Iterator[str]:
    """Lists that are learned, decoded and scored."""
    k, longest = experiment.prompt.list_length, max(experiment.evaluation.scoring.ks)
    if longest > k and experiment.evaluation.decoding.mode != "beam":
        yield (
            f"evaluation.scoring.ks: Acc@{longest} needs lists of {longest} (prompt.list_length is {k}); "
            f"lower the one or raise the other"
        )
    length = experiment.evaluation.decoding.k
    if length > k and experiment.evaluation.decoding.mode != "beam":
        yield f"evaluation.decoding.k: {length} places, but answers hold prompt.list_length={k}; lower it"
    if longest > length:
        yield f"evaluation.decoding.k: lists of {length} cannot be scored at {longest}; raise it"


def _prompts(experiment: "Experiment") -> Iterator[str]:
    """What prompts show, and what learns from them."""
    if experiment.prompt.kind == "compact" and experiment.sft.kind == "train" and not experiment.sft.lists.epochs:
        yield (
            "sft.lists.epochs: 0, but prompt=compact teaches single visits, not lists; give sft.lists.epochs=1 "
            "(or experiments=compact)"
        )
    if experiment.sft.kind == "train" and experiment.sft.alignment.epochs and experiment.prompt.kind != "question":
        yield f"sft.alignment.epochs: prompt={experiment.prompt.kind} has no such tasks; use prompt=question or 0"
    shown = getattr(experiment.prompt, "candidates", 0)
    if shown > experiment.evidence.candidates:
        yield (
            f"prompt.candidates: {shown} are to be shown but evidence.candidates keeps "
            f"{experiment.evidence.candidates}; raise evidence.candidates"
        )
    if experiment.ranker.kind != "off" and shown > experiment.ranker.kept:
        yield (
            f"prompt.candidates: {shown} are to be shown but ranker.kept is {experiment.ranker.kept}; raise ranker.kept"
        )
    if experiment.profile.kind != "off" and experiment.prompt.kind != "question":
        yield f"profile: prompt={experiment.prompt.kind} has no place for it; use prompt=question or profile=off"
    if getattr(experiment.prompt, "reasoning", False):
        yield from _reasoning(experiment)
    if experiment.prompt.kind == "question" and experiment.prompt.budget < SMALL_BUDGET:
        yield from _budget(experiment, experiment.prompt)


SMALL_BUDGET = 500
"""Tokens; any tokenizer's empty question is shorter. Only below is a tokenizer asked, which takes seconds."""


def _budget(experiment: "Experiment", prompt: QuestionPrompt) -> Iterator[str]:
    """Found here, and not after encoder and map are trained."""
    from refinepoi.prompt.least import least_tokens

    least = least_tokens(prompt, experiment.evidence.target_time == "known", getattr(experiment.model, "path", None))
    if prompt.budget < least:
        yield (
            f"prompt.budget: {prompt.budget} tokens, but an empty prompt has {least}; give at least "
            f"prompt.budget={least}, and more for visits, candidates and profile"
        )


def _words(experiment: "Experiment") -> Iterator[str]:
    """A model of ours that goes on must know the words. Found here, and not after encoder and ranker are trained."""
    prompt, path = experiment.prompt, getattr(experiment.model, "path", None)
    if path is None or prompt.kind != "evidence" or (known := whole_words(path)) is None:
        return
    from refinepoi.prompt.bins import prefixes

    words = [f"{letter}{prompt.bins - 1}" for letter in prefixes(len(prompt.counters))]
    if missing := [word for word in words if word not in known]:
        yield (
            f"prompt.bins: {prompt.bins} for each of {len(prompt.counters)} prompt.counters, but the model in "
            f"model.path has no word {missing[0]!r}; give those it was trained with"
        )
    for number, level in enumerate(getattr(experiment.quantizer, "levels", ())):
        height, width = grid_shape(level)
        if (token := f"<{ascii_uppercase[number]}_{height - 1},{width - 1}>") not in known:
            yield (
                f"quantizer.levels: level {number + 1} is {level}, but the model in model.path has no token {token!r}; "
                "give those it was trained with"
            )


def _reasoning(experiment: "Experiment") -> Iterator[str]:
    """Lists that are learned or drawn alone teach not to reason, and only a pretrained model can do it at all."""
    if experiment.model.kind != "pretrained":
        yield (
            "prompt.reasoning: true, but a model from scratch cannot reason; give model=qwen3_0_6b or another "
            "pretrained one, or prompt.reasoning=false"
        )
    untrained = experiment.sft.kind == "off" and experiment.grpo.kind == "off"
    if not untrained and (experiment.grpo.kind == "off" or experiment.grpo.sampler != "free"):
        yield (
            "prompt.reasoning: true, but only GRPO on free text lets the model reason; give grpo.sampler=free "
            "(or grpo=paper), or prompt.reasoning=false"
        )


def _counters(experiment: "Experiment") -> Iterator[str]:
    """Names of counters, and how many candidates there are of each query."""
    counted, ranked = experiment.evidence.counters, experiment.ranker.kind != "off"
    for group in ("ranker", "prompt", "ensemble"):
        known = counted if group == "ranker" else (*counted, *added_counters(experiment.ranker))
        unknown = [name for name in getattr(getattr(experiment, group), "counters", ()) if name not in known]
        scores = [name for name in unknown if name in SCORES]
        if learned := [name for name in unknown if name in KERNELS]:
            yield f"{group}.counters: {', '.join(learned)} comes from learned kernels; give ranker=trees_kernels"
        elif scores and not ranked:
            yield f"{group}.counters: {', '.join(scores)} comes from a ranker; give ranker=trees or ranker=logit"
        elif unknown:
            yield f"{group}.counters: no counter named {', '.join(unknown)}; there are {', '.join(known)}"
    if experiment.ensemble.kind == "off":
        return
    kept = {"evidence.candidates": experiment.evidence.candidates}
    if experiment.ranker.kind != "off":
        kept["ranker.kept"] = experiment.ranker.kept
    key = min(kept, key=kept.__getitem__)
    if experiment.ensemble.candidates > kept[key]:
        yield (
            f"ensemble.candidates: {experiment.ensemble.candidates} are to be ranked but {key} is {kept[key]}; lower "
            "the one or raise the other"
        )


def _answers(experiment: "Experiment") -> Iterator[str]:
    """Free text of GRPO must have room for a whole list, the end, and all the reasoning that evaluation allows."""
    grpo, k, levels = experiment.grpo, experiment.prompt.list_length, len(getattr(experiment.quantizer, "levels", ()))
    if grpo.kind == "off" or grpo.sampler != "free" or not levels:  # quantizer=fitted: its codebook has the levels
        return
    levels += getattr(experiment.quantizer, "collisions", "") == "suffix"
    tokens, written = k * levels + 1, experiment.evaluation.decoding.reasoning.tokens
    if getattr(experiment.prompt, "reasoning", False) and grpo.max_new_tokens < tokens + written:
        yield (
            f"grpo.max_new_tokens: {grpo.max_new_tokens} leaves {max(0, grpo.max_new_tokens - tokens)} tokens of "
            f"reasoning beside a list of {tokens}, but evaluation.decoding.reasoning.tokens is {written}, and what is "
            f"evaluated must be what trained and was chosen; give grpo.max_new_tokens={tokens + written} or more, or "
            "lower evaluation.decoding.reasoning.tokens"
        )
    elif grpo.max_new_tokens < tokens:
        yield (
            f"grpo.max_new_tokens: {grpo.max_new_tokens} cuts every list: {k} places of {levels} tokens and the end "
            f"are {tokens}; give {tokens}"
        )


def _training(experiment: "Experiment") -> Iterator[str]:
    """What this machine can train."""
    if experiment.runtime.device != "cpu" and may_have_gpu():
        return
    why = "runtime.device=cpu" if experiment.runtime.device == "cpu" else "this machine has none"
    for name, part in (("sft", experiment.sft), ("grpo", experiment.grpo)):
        if part.kind == "train" and part.precision == "bfloat16":
            yield f"{name}.precision: bfloat16 is for GPUs ({why}), slow on a CPU; give {name}.precision=float32"
    if experiment.grpo.kind == "train" and experiment.grpo.engine != "transformers":
        yield f"grpo.engine: {experiment.grpo.engine} needs a GPU ({why}); give grpo.engine=transformers"


def _processes(experiment: "Experiment") -> Iterator[str]:
    """Whether several processes can share a step."""
    processes, sft, grpo = experiment.runtime.processes, experiment.sft, experiment.grpo
    if grpo.kind == "train" and (rest := grpo.prompts_per_step % processes):
        yield (
            f"grpo.prompts_per_step: {grpo.prompts_per_step} cannot be shared equally by runtime.processes={processes};"
            f" give grpo.prompts_per_step={grpo.prompts_per_step - rest + processes} or fewer processes"
        )
    if sft.kind == "train":
        queries = "streams" if experiment.prompt.kind == "compact" and sft.streams.epochs else "answers"
        for name in ("alignment", queries, "lists"):
            phase = getattr(sft, name)
            if phase.epochs and phase.batch_size < processes:
                yield (
                    f"sft.{name}.batch_size: {phase.batch_size} examples a step cannot be shared by "
                    f"runtime.processes={processes}; give sft.{name}.batch_size={processes} or fewer processes"
                )


def _goals(experiment: "Experiment") -> Iterator[str]:
    """What a goal needs."""
    if experiment.goal == "reward_report" and experiment.grpo.kind == "off":
        yield "grpo: off, but goal=reward_report samples as GRPO would; give grpo=default or another option"
    if experiment.goal == "ensemble" and experiment.ensemble.kind == "off":
        yield "ensemble: off, but goal=ensemble makes one; give ensemble=loglinear"
    if experiment.goal == "sequence" and experiment.sequence.kind == "off":
        yield "sequence: off, but goal=sequence trains one; give sequence=sasrec or sequence=gru"
    if experiment.goal == "recommend" and not experiment.recommend.input:
        yield "recommend.input: goal=recommend answers for a table of visits; give recommend.input=FILE.csv"
    if experiment.goal == "report" and not experiment.report.runs:
        yield "report.runs: goal=report compares finished runs; give report.runs=[FOLDER,...]"


RULES = (_lists, _prompts, _words, _counters, _answers, _training, _processes, _goals)
"""Each looks across parts and says what does not fit together, with the remedy."""
