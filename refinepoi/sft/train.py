"""The phases of supervised fine-tuning, one trainer run each. A killed run goes on in the phase it was in."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import PrinterCallback

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.seeding import generator, seed_torch
from refinepoi.core.stage import Context
from refinepoi.core.store import write_durably
from refinepoi.decoding.trie import Trie
from refinepoi.model.load import LanguageModel, adapt, build, load, save
from refinepoi.model.spec import LocalModel, ScratchModel
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.parse import parse_answer
from refinepoi.sft.distil import own_lists, with_target_first
from refinepoi.sft.examples import Examples, answer_examples, stream_examples
from refinepoi.sft.spec import ListPhase, Phase, SftOff, SftTrain
from refinepoi.sft.trainer import AnswerTrainer, settings
from refinepoi.training.checkpoints import last_complete
from refinepoi.training.validation import Validation
from refinepoi.training.watch import Memory, Rhythm, Row, Watch

DONE = "done.json"


def train(
    context: Context,
    spec: SftTrain | SftOff,
    model: ScratchModel | LocalModel,
    prompts: Prompts,
    semantic_ids: SemanticIds,
) -> Policy:
    """Build, train, return the policy as it lies in `context.work`."""
    language, final = build(model, prompts), context.work / "final"
    facts: dict[str, Any] = {"parameters": sum(p.numel() for p in language.model.parameters()), "phases": {}}
    if isinstance(spec, SftTrain):
        school = School(context, spec, model, prompts, semantic_ids)
        for name in ("streams", "targets", "lists"):
            phase: Phase = getattr(spec, name)
            if phase.epochs and (name != "streams" or prompts.streams.height):
                language, facts["phases"][name] = school.teach(name, phase, language)
    save(language, final)
    return Policy(final, facts)


@dataclass
class School:
    """What the phases share. `taught`: optimizer steps of the phases before, the origin of a phase's curves."""

    context: Context
    spec: SftTrain
    model: ScratchModel | LocalModel
    prompts: Prompts
    semantic_ids: SemanticIds
    taught: int = 0

    def teach(self, name: str, phase: Phase, language: LanguageModel) -> tuple[LanguageModel, dict[str, Any]]:
        """Train one phase. Returns its best model by validation MRR, and its facts."""
        spec, folder = self.spec, self.context.work / name
        tokens = np.array(id_token_numbers(language.tokenizer, self.semantic_ids.tokens))
        tokens = tokens[self.semantic_ids.token_index]
        cpu = self.context.runtime.device == "cpu" or not torch.cuda.is_available()
        part = min(spec.batch, self.context.runtime.micro_batch)
        done = folder / DONE
        if done.exists():  # ended before a crash in a later phase
            memory = Memory(**json.loads(done.read_text(encoding="utf-8")))
            self._replay(memory)
            self.taught += int(memory.validation[-1]["step"])
            return self._best(folder, memory), {"validation": memory.validation, "best": memory.best}
        if not cpu:
            language.model.to("cuda")
        trie = Trie.of(tokens).to("cpu" if cpu else "cuda")
        examples = self._examples(name, phase, language, trie, tokens, part)
        steps = max(1, len(examples) // spec.batch) * phase.epochs
        resumed = last_complete(folder)
        memory = Memory(**resumed[1]) if resumed else Memory()
        seed_torch(spec.seed)
        watch = Watch(
            self.context,
            folder,
            Rhythm(steps, spec.eval_every, spec.save_every, spec.patience, self.taught),
            Validation.sample(self.prompts, trie, spec.eval_queries, part, spec.seed),
            partial(save, language),
            partial(_renamed, name),
            memory,
        )
        trainer = AnswerTrainer(
            model=language.model,
            args=settings(spec, phase, steps, min(part, len(examples)), folder, cpu),
            train_dataset=examples,
            data_collator=partial(examples.collate, pad=language.tokenizer.pad_token_id),
            processing_class=language.tokenizer,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(resumed[0]) if resumed else None)
        write_durably(done, json.dumps(asdict(memory)))
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        self.taught += int(memory.validation[-1]["step"])
        return self._best(folder, memory), {"validation": memory.validation, "best": memory.best}

    def _examples(
        self, name: str, phase: Phase, language: LanguageModel, trie: Trie, tokens: np.ndarray, part: int
    ) -> Examples:
        if name == "streams":
            return stream_examples(language.tokenizer, self.prompts.streams["text"].to_list(), tokens)
        table = self.prompts.table.filter(pl.col("split") == SPLITS.index("train"))
        k = self.prompts.list_length
        if isinstance(phase, ListPhase):
            if phase.queries:
                chosen = generator(self.spec.seed, "lists").permutation(table.height)[: phase.queries]
                table = table[np.sort(chosen)]
            lists = own_lists(self.context, language, trie, table["prompt"].to_list(), k, part)
            if phase.target_first:
                lists = with_target_first(lists, table["target"].to_numpy())
        else:
            answers = [parse_answer(text, self.semantic_ids).items for text in table["answer"]]
            lists = np.array([[*items, *[-1] * (k - len(items))] for items in answers], np.int64)
            lists[:, 0] = table["target"].to_numpy()
            lists = lists[:, : self.spec.answer_items]
        prompts = table["prompt"].to_list()
        return answer_examples(language.tokenizer, prompts, lists, tokens, self.spec.first_item_weight)

    def _best(self, folder: Path, memory: Memory) -> LanguageModel:
        return adapt(load(folder / f"best-{memory.best}", trainable=True), self.model)

    def _replay(self, memory: Memory) -> None:
        for row in memory.curve:
            self.context.log.metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))


def _renamed(phase: str, logs: Mapping[str, Any]) -> Row:
    """The trainer's log entries under our names."""
    return {
        f"{phase}/{name}" if name == "loss" else name: float(logs[name])
        for name in ("loss", "grad_norm", "learning_rate")
        if name in logs and "loss" in logs
    }
