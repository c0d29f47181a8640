"""Experiment: the tree of all specs. Hydra's configuration enters here and nowhere else.

`from_hydra` checks the whole tree at once, before anything heavy is imported, and says every problem on a line of its
own: key, value seen, remedy. Rules that span stages are in `Experiment.problems`.
"""

import difflib
import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from omegaconf import DictConfig, OmegaConf
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from refinepoi.baseline.spec import BaselineSpec
from refinepoi.core.errors import UserError
from refinepoi.core.goals import GOALS
from refinepoi.core.runtime import Runtime
from refinepoi.core.spec import Spec
from refinepoi.core.tracking_spec import TrackingSpec
from refinepoi.dataset.spec import DatasetSpec
from refinepoi.encoder.spec import EncoderSpec
from refinepoi.ensemble.spec import EnsembleSpec
from refinepoi.evaluation.spec import EvaluationSpec
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.export.spec import ExportSpec
from refinepoi.features.spec import FeaturesSpec
from refinepoi.grpo.spec import GrpoSpec
from refinepoi.model.spec import ModelSpec
from refinepoi.profile.spec import ProfileSpec
from refinepoi.prompt.spec import PromptSpec, QuestionPrompt
from refinepoi.quantizer.spec import QuantizerSpec
from refinepoi.ranker.spec import SCORES, RankerSpec
from refinepoi.recommend.spec import RecommendSpec
from refinepoi.report.spec import ReportSpec
from refinepoi.reward.spec import RewardSpec
from refinepoi.sequence.spec import SequenceSpec
from refinepoi.sft.spec import SftSpec


def _check_goal(goal: str) -> str:
    if goal not in GOALS:
        raise ValueError(f"unknown goal; one of {', '.join(GOALS)}")
    return goal


class Experiment(Spec):
    """What defines a run; `recommend`, `report`, `runtime`, `tracking`, `name` and `goal` do not change its results."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$", description="folder and dashboard name")
    goal: Annotated[str, AfterValidator(_check_goal)]
    seed: int = Field(ge=0, description="copied by interpolation into each part that draws")
    dataset: DatasetSpec
    evidence: EvidenceSpec
    ranker: RankerSpec
    features: FeaturesSpec
    encoder: EncoderSpec
    quantizer: QuantizerSpec
    profile: ProfileSpec
    prompt: PromptSpec
    model: ModelSpec
    sft: SftSpec
    reward: RewardSpec
    grpo: GrpoSpec
    baseline: BaselineSpec
    ensemble: EnsembleSpec
    sequence: SequenceSpec
    evaluation: EvaluationSpec
    export: ExportSpec
    recommend: RecommendSpec
    report: ReportSpec
    tracking: TrackingSpec
    runtime: Runtime

    def problems(self) -> list[str]:
        """What no single field can see: rules across stages, and each part's own look at files."""
        found = []
        for group in type(self).model_fields:
            part = getattr(self, group)
            if hasattr(part, "problems"):
                found += part.problems()
        return found + [problem for rules in RULES for problem in rules(self)]


def _lists(experiment: Experiment) -> Iterator[str]:
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


def _prompts(experiment: Experiment) -> Iterator[str]:
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
    scores = [name for name in getattr(experiment.prompt, "counters", ()) if name in SCORES]
    if experiment.ranker.kind == "off" and scores:
        yield f"prompt.counters: {', '.join(scores)} comes from a ranker; give ranker=trees or ranker=logit"
    if experiment.profile.kind != "off" and experiment.prompt.kind != "question":
        yield f"profile: prompt={experiment.prompt.kind} has no place for it; use prompt=question or profile=off"
    if getattr(experiment.prompt, "reasoning", False):
        yield from _reasoning(experiment)
    if experiment.prompt.kind == "question" and experiment.prompt.budget < SMALL_BUDGET:
        yield from _budget(experiment, experiment.prompt)


SMALL_BUDGET = 500
"""Tokens; any tokenizer's empty question is shorter. Only below is a tokenizer asked, which takes seconds."""


def _budget(experiment: Experiment, prompt: QuestionPrompt) -> Iterator[str]:
    """Found here, and not after encoder and map are trained."""
    from refinepoi.prompt.least import least_tokens

    least = least_tokens(prompt, experiment.evidence.target_time == "known", getattr(experiment.model, "path", None))
    if prompt.budget < least:
        yield (
            f"prompt.budget: {prompt.budget} tokens, but an empty prompt has {least}; give at least "
            f"prompt.budget={least}, and more for visits, candidates and profile"
        )


def _reasoning(experiment: Experiment) -> Iterator[str]:
    """Only answers drawn as free text can hold reasoning, and only a pretrained model can write it."""
    if experiment.model.kind != "pretrained":
        yield (
            "prompt.reasoning: true, but a model from scratch cannot reason; give model=qwen3_0_6b or another "
            "pretrained one, or prompt.reasoning=false"
        )
    if experiment.grpo.kind == "off" or experiment.grpo.sampler != "free":
        yield (
            "prompt.reasoning: true, but only GRPO on free text lets the model reason; give grpo.sampler=free "
            "(or grpo=paper), or prompt.reasoning=false"
        )


def _training(experiment: Experiment) -> Iterator[str]:
    """What this machine can train."""
    if experiment.runtime.device != "cpu":
        return
    for name, part in (("sft", experiment.sft), ("grpo", experiment.grpo)):
        if part.kind == "train" and part.precision == "bfloat16":
            yield f"{name}.precision: bfloat16 is several times slower on a CPU; give {name}.precision=float32"
    if experiment.grpo.kind == "train" and experiment.grpo.engine != "transformers":
        yield f"grpo.engine: {experiment.grpo.engine} needs a GPU (runtime.device=cpu); give grpo.engine=transformers"


def _goals(experiment: Experiment) -> Iterator[str]:
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


RULES = (_lists, _prompts, _training, _goals)
"""Each looks across parts and says what does not fit together, with the remedy."""


class ConfigurationError(UserError):
    """The configuration is wrong; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        super().__init__("\n".join([f"{count} in the configuration", *(f"  {p}" for p in problems)]))


def from_hydra(cfg: DictConfig) -> Experiment:
    """The validated experiment. Raises `ConfigurationError` with every problem."""
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise ConfigurationError([f"{key}: has no value; give {key}=..." for key in missing])
    return from_plain(OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True))


def from_plain(tree: Any) -> Experiment:
    """The validated experiment from plain lists, dicts and numbers (a stored config.yaml, or Hydra's)."""
    try:
        experiment = Experiment.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigurationError(list(_readable(error, tree))) from None
    problems = experiment.problems()
    if problems:
        raise ConfigurationError(problems)
    return experiment


def load_config(text: str) -> Experiment:
    """The experiment of a run folder's config.yaml."""
    return from_plain(OmegaConf.to_container(OmegaConf.create(text), resolve=True))


def to_yaml(experiment: Experiment) -> str:
    """The resolved configuration as YAML, readable by `load_config`."""
    return OmegaConf.to_yaml(OmegaConf.create(experiment.model_dump(mode="json")))


def _readable(error: ValidationError, tree: Any) -> Iterator[str]:
    faults = error.errors(include_url=False)
    for fault in faults:
        loc = fault["loc"]
        if fault["type"] == "too_short" and any(f["loc"][: len(loc)] == loc and f is not fault for f in faults):
            continue  # only short because its items are refused
        path = _path(loc, tree)
        key = ".".join(path)
        seen = _short(fault.get("input"))
        match fault["type"]:
            case "extra_forbidden":
                near = difflib.get_close_matches(path[-1], _siblings(fault["loc"]), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else "see the files in conf/" + path[0]
                yield f"{key}: unknown key (got {seen}); {hint}"
            case "missing":
                yield f"{key}: has no value; give {key}=..."
            case "union_tag_invalid":
                yield f"{key}.kind: unknown kind {fault['ctx']['tag']!r}; one of {fault['ctx']['expected_tags']}"
            case "union_tag_not_found":
                yield f"{key}.kind: has no value; choose an option of the group, such as {path[0]}=NAME"
            case "value_error":
                shown = "" if isinstance(fault["input"], dict) else f" (got {seen})"
                yield f"{key}: {fault['msg'].removeprefix('Value error, ')}{shown}"
            case "float_type" | "int_type" | "int_parsing" | "float_parsing" | "int_from_float":
                whole = "whole " if "int" in fault["type"] else ""
                yield f"{key}: must be a {whole}number (got {seen})"
            case "finite_number":
                yield f"{key}: must be a finite number (got {seen})"
            case _:
                text = fault["msg"].replace("Input should be", "must be").replace("'", "")
                yield f"{key}: {text[:1].lower()}{text[1:]} (got {seen})"


def _path(loc: tuple[int | str, ...], tree: Any) -> list[str]:
    """The key as the user writes it: pydantic's location without the tags of discriminated unions."""
    path: list[str] = []
    node, entered = tree, None  # entered: the union whose tag was passed over
    for n, part in enumerate(loc):
        if (
            isinstance(node, dict)
            and node.get("kind") == part
            and node is not entered
            and (n < len(loc) - 1 or part not in node)
        ):
            entered = node
            continue
        path.append(str(part))
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
    return path


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    """Field names that would have been allowed beside an unknown key."""
    models: list[Any] = [Experiment]
    for part in loc[:-1]:
        deeper: list[Any] = []
        for model in models:
            fields = getattr(model, "model_fields", {})
            if part in fields:
                deeper += _models_in(fields[part].annotation)
            elif "kind" in fields and part in get_args(fields["kind"].annotation):
                deeper.append(model)
        models = deeper
    return sorted({name for model in models for name in getattr(model, "model_fields", {})})


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
