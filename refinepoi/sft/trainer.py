"""transformers' Trainer over a plan of batches made beforehand, with our loss; its own habits are switched off.

The plan is the whole run: item i of the dataset is part i of it, read in order, so a run that continues from a
checkpoint reads exactly what the first one would have read.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from refinepoi.core.errors import UserError
from refinepoi.model.load import LanguageModel
from refinepoi.sft.data import Collator, Ints
from refinepoi.sft.spec import Phase, TrainSft

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
Loss = Callable[[Any, dict[str, Any]], Tensor]


class Parts(Dataset[dict[str, Any]]):
    """The optimizer steps, each cut into equal parts of at most `most` examples, as many on each of the ranks.

    The data loader deals the parts out in turn: part i goes to rank i modulo `ranks`. Where there are more parts than
    examples (32 examples one at a time on 3 ranks make 33 parts), the last ones hold an example that counts nothing.
    """

    def __init__(self, plan: Sequence[Ints], collate: Collator, most: int, ranks: int = 1) -> None:
        if len(plan[0]) < ranks:
            raise UserError(
                f"sft.*.batch_size: {len(plan[0])} examples a step cannot be shared by runtime.processes={ranks}; "
                f"use at most {len(plan[0])} processes"
            )
        self.plan, self.collate, self.ranks = plan, collate, ranks
        self.parts = math.ceil(len(plan[0]) / (most * ranks)) * ranks

    def __len__(self) -> int:
        return len(self.plan) * self.parts

    def __getitem__(self, number: int) -> dict[str, Any]:
        step, part = divmod(number, self.parts)
        rows = self.plan[step]
        mine, norm = np.array_split(rows, self.parts)[part], self.collate.norm(rows)
        if len(mine):
            return self.collate(mine, norm, step)
        nothing = self.collate(rows[:1], norm, step)
        return {**nothing, "weights": nothing["weights"] * 0.0}


class AnswerTrainer(Trainer):
    """loss: (model, one collated part) -> the part's share of the batch's loss."""

    def __init__(
        self,
        language: LanguageModel,
        args: TrainingArguments,
        parts: Parts,
        loss: Loss,
        watch: TrainerCallback,
    ) -> None:
        super().__init__(
            model=language.model,
            args=args,
            train_dataset=parts,
            data_collator=_only_item,
            processing_class=language.tokenizer,
            callbacks=[watch],
        )
        self.loss, self.ranks = loss, parts.ranks
        self.tokens, self.clock = 0, time.perf_counter()
        self.loss_is_scaled_for_ga = True  # by Collator.norm, over all parts
        self.remove_callback(PrinterCallback)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        self.tokens += int(inputs["attention_mask"].sum())
        return self.loss(model, inputs) * self.ranks  # gradients are averaged over ranks, and shares add up

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the speed since the last entry; padding is not counted, validation is."""
        now = time.perf_counter()
        speed = self.ranks * self.tokens / (now - self.clock)
        super().log({**logs, "tokens_per_second": speed}, *args, **kwargs)
        self.tokens, self.clock = 0, now

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Checkpoints are scratch: no model card."""


def settings(spec: TrainSft, phase: Phase, parts: Parts, folder: Path, cpu: bool) -> TrainingArguments:
    """Everything that transformers would decide by itself is decided here."""
    steps = len(parts.plan)
    args = TrainingArguments(
        output_dir=str(folder),
        seed=spec.seed,
        max_steps=steps,
        per_device_train_batch_size=1,  # one item is one part of a batch
        gradient_accumulation_steps=parts.parts // parts.ranks,
        optim="adamw_torch",
        learning_rate=phase.learning_rate,
        lr_scheduler_type=SCHEDULES[phase.schedule],
        warmup_steps=round(phase.warmup * steps),
        weight_decay=spec.weight_decay,
        adam_beta1=0.9,
        adam_beta2=spec.beta2,
        max_grad_norm=spec.max_grad_norm,
        use_cpu=cpu,
        ddp_find_unused_parameters=False,
        bf16=spec.precision == "bfloat16",
        activation_checkpointing=False,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not cpu,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        logging_strategy="steps",
        logging_steps=spec.log_every,
        save_strategy="steps",
        save_steps=10**9,  # the callback decides
        save_total_limit=2,
        eval_strategy="no",
        push_to_hub=False,
    )
    args._n_gpu = min(args.n_gpu, 1)  # a batch is not to be scattered over the GPUs of one process
    return args


def _only_item(items: list[dict[str, Any]]) -> dict[str, Any]:
    return items[0]
