"""The phases of supervised fine-tuning, one after the other; each one's best policy is where the next begins.

Everything lies in `context.work`: a folder for each phase with its checkpoints, its best policy and, last, `DONE.json`.
A run that was killed goes on in the phase and at the checkpoint where it was.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core import interruption
from refinepoi.core.errors import UserError
from refinepoi.core.seeding import seed_torch
from refinepoi.core.stage import Context
from refinepoi.core.store import write_durably
from refinepoi.decoding.trie import Trie
from refinepoi.model.load import LanguageModel, adapt, build, load, save
from refinepoi.model.spec import PretrainedModel, ScratchModel
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.settle import settle
from refinepoi.sft.data import Collator, Examples, plan_batches
from refinepoi.sft.examples import alignment_examples, answer_examples, list_examples, stream_examples
from refinepoi.sft.loss import answer_loss
from refinepoi.sft.own import own_places
from refinepoi.sft.spec import AnswerPhase, Phase, TrainSft
from refinepoi.sft.trainer import AnswerTrainer, Parts, settings
from refinepoi.training import ranks
from refinepoi.training.checkpoints import last_complete, step_of
from refinepoi.training.device import use_cpu
from refinepoi.training.shards import PolicySaver
from refinepoi.training.validation import Validation
from refinepoi.training.watch import Memory, Rhythm, Watch

DONE = "DONE.json"
RELABELLED = 0.5  # with a model that starts able to copy: MRR .507 in the city, .482 without (docs/results.md)


def untrained(
    context: Context, model_spec: ScratchModel | PretrainedModel, prompts: Prompts, semantic_ids: SemanticIds
) -> Policy:
    """The model as built, as a policy."""
    if context.main:
        save(build(model_spec, prompts, semantic_ids), context.work / "built")
    ranks.wait()
    return Policy(context.work / "built", {"trained": "no"})


def relabelled(phase: AnswerPhase, model_spec: ScratchModel | PretrainedModel) -> float:
    """Share of the examples whose IDs are permuted. What cannot copy yet learns more slowly by it: .312 for .417."""
    if phase.relabel is not None:
        return phase.relabel
    return RELABELLED if isinstance(model_spec, ScratchModel) and model_spec.start == "copying" else 0.0


def train(
    context: Context,
    spec: TrainSft,
    model_spec: ScratchModel | PretrainedModel,
    prompts: Prompts,
    semantic_ids: SemanticIds,
) -> Policy:
    """Train on the train split, choose on validation. Returns the policy as it lies in `context.work`."""
    run = Run(context, spec, model_spec, prompts, semantic_ids)
    if prompts.alignment.height and spec.alignment.epochs:
        run.phase(
            "alignment", spec.alignment, lambda lm: alignment_examples(run.prompts, lm.tokenizer, spec.alignment),
            judged=False,  # no list is answered yet: the last policy goes on
        )  # fmt: skip
    if prompts.streams.height and spec.streams.epochs:
        run.phase("streams", spec.streams, lambda lm: stream_examples(run.prompts, lm.tokenizer, spec.streams))
    elif spec.answers.epochs:
        run.phase(
            "answers", spec.answers,
            lambda lm: answer_examples(
                run.prompts, semantic_ids, lm.tokenizer, spec.answers, relabelled(spec.answers, model_spec), spec.seed
            ),
            min_steps=spec.answers.min_steps,
        )  # fmt: skip
    if spec.lists.epochs:
        run.phase("lists", spec.lists, run.own_lists, epochs=1)  # the examples hold all epochs, each with other places
    if run.best is None:
        return untrained(context, model_spec, prompts, semantic_ids)
    facts = {"trained": "sft", "phases": run.phases, "prompts": run.prompts.facts.get("settled", {})}
    return Policy(run.best, facts)


class Run:
    """best: the folder of the best policy so far. phases: what is known of each finished one. steps: done so far."""

    def __init__(
        self,
        context: Context,
        spec: TrainSft,
        model_spec: ScratchModel | PretrainedModel,
        prompts: Prompts,
        semantic_ids: SemanticIds,
    ) -> None:
        self.context, self.spec, self.model_spec = context, spec, model_spec
        self.prompts, self.semantic_ids = prompts, semantic_ids
        self.device = "cpu" if use_cpu(context.runtime.device, spec.precision, "sft") else "cuda"
        self.best: Path | None = None
        self.phases: list[dict[str, Any]] = []
        self.steps = 0

    def phase(
        self,
        name: str,
        phase: Phase,
        make_examples: Callable[[LanguageModel], Examples],
        epochs: int | None = None,
        judged: bool = True,
        min_steps: int = 0,
    ) -> None:
        """Train one phase, or read what an earlier attempt at it left. judged: keep the best policy by validation."""
        folder = self.context.work / name
        folder.mkdir(exist_ok=True)
        if ranks.first_here((folder / DONE).exists):
            done = json.loads((folder / DONE).read_text(encoding="utf-8"))
            for row in done["curve"]:
                self.context.log.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))
        else:
            done = self._train(name, phase, make_examples, epochs or phase.epochs, judged, min_steps)
            if self.context.main:
                write_durably(folder / DONE, json.dumps(done))
            ranks.wait()
        self.best = folder / f"best-{done['best']}"
        self.steps += done["steps"]
        self.phases.append({"name": name, **{k: done[k] for k in ("steps", "best", "validation", "examples")}})

    def _train(
        self,
        name: str,
        phase: Phase,
        make_examples: Callable[[LanguageModel], Examples],
        epochs: int,
        judged: bool,
        min_steps: int,
    ) -> dict[str, Any]:
        folder, spec = self.context.work / name, self.spec
        cpu = self.device == "cpu"
        seed_torch(spec.seed)
        language = self.language()
        self.prompts = settle(self.prompts, language.tokenizer)
        trie = self.trie(language).to(self.device)
        examples = make_examples(language)
        epochs = max(epochs, math.ceil(min_steps / max(len(examples) // phase.batch_size, 1)))
        plan = plan_batches(examples.lengths(), phase.batch_size, epochs, spec.seed, name)
        collate = Collator(examples, language.tokenizer.pad_token_id)
        parts = Parts(plan, collate, self.context.runtime.micro_batch, ranks.count())
        asked = spec.eval_queries if judged else 0
        resumed = ranks.first_here(lambda: last_complete(folder))
        memory = Memory(**resumed[1]) if resumed else Memory()
        watch = Watch(
            self.context,
            folder,
            Rhythm(len(plan), spec.eval_every, spec.save_every, spec.patience, self.steps),
            Validation.sample(self.prompts, trie, asked, self.context.runtime.micro_batch, spec.seed),
            PolicySaver(language, self.context.runtime.strategy.kind == "fsdp"),
            _rename,
            memory,
        )
        trainer = AnswerTrainer(language, settings(spec, phase, parts, folder, cpu), parts, answer_loss, watch)
        with interruption.saving():
            trainer.train(resume_from_checkpoint=str(resumed[0]) if resumed else None)
        ran = plan[step_of(resumed[0]) if resumed else 0 : trainer.state.global_step]
        tokens = sum(int(examples.lengths()[rows].sum()) for rows in ran)
        self.context.cost["tokens"] = self.context.cost.get("tokens", 0.0) + tokens
        return {
            "steps": trainer.state.global_step,
            "best": memory.best,
            "validation": memory.validation,
            "curve": memory.curve,
            "examples": len(examples),
        }

    def language(self) -> LanguageModel:
        """The best policy so far, ready to be trained; the model as built before the first phase."""
        if self.best is None:
            return build(self.model_spec, self.prompts, self.semantic_ids)
        return adapt(load(self.best, trainable=True), self.model_spec)

    def trie(self, language: LanguageModel) -> Trie:
        numbers = np.array(id_token_numbers(language.tokenizer, self.semantic_ids.tokens), np.int64)
        trie = Trie.of(numbers[self.semantic_ids.token_index])
        trie.require_places(self.prompts.list_length)
        return trie

    def own_lists(self, language: LanguageModel) -> Examples:
        """Searched where the model will be trained; then it goes back, for a sharded one is dealt out from there."""
        model: Any = language.model
        home = model.device
        model.to(self.device)
        own = own_places(self.context, language, self.trie(language), self.prompts)
        model.to(home)
        return list_examples(self.prompts, self.semantic_ids, language.tokenizer, self.spec.lists, own, self.spec.seed)


def _rename(logs: Mapping[str, Any]) -> dict[str, float]:
    """The trainer's log entries under our names. A loss that is no number ends the run."""
    if "loss" in logs and not np.isfinite(logs["loss"]):
        raise UserError("sft.*.learning_rate: the loss is not finite any more; lower it")
    if "loss" not in logs:  # the summary at the end
        return {}
    names = {"loss": "loss", "learning_rate": "learning_rate", "grad_norm": "gradient_norm"}
    names["tokens_per_second"] = "tokens_per_second"
    return {ours: float(logs[theirs]) for theirs, ours in names.items() if theirs in logs}
