"""Settings of the GRPO stage. Rules between fields are checked here, with the remedy, before anything heavy loads."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec


class GrpoOff(Spec):
    """No reinforcement learning: the policy is the warm start."""

    kind: Literal["off"]


class GrpoTrain(Spec):
    kind: Literal["train"]
    seed: int = Field(ge=0)

    prompts_per_step: Count = Field(description="different prompts in one optimizer step")
    num_generations: int = Field(ge=2, description="answers sampled for each prompt, the group")
    steps: Count = Field(description="optimizer steps")
    num_iterations: Count = Field(description="optimizer steps on each batch of answers")

    sampler: Literal["constrained", "free"]
    credit: Literal["list", "item"] = Field(description="one advantage for a list, or one for each of its items")
    temperature: Positive
    top_p: float = Field(gt=0, le=1, description="free sampler only")
    max_new_tokens: Count = Field(description="free sampler only; a constrained list is as long as it must be")

    learning_rate: Positive
    schedule: Literal["constant", "linear", "cosine"]
    warmup: Share = Field(description="share of the steps over which the learning rate rises")
    weight_decay: NonNegative
    max_grad_norm: Positive
    precision: Literal["float32", "bfloat16"] = Field(description="bfloat16 pays on GPUs only")

    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"]
    importance_sampling_level: Literal["token", "sequence"]
    scale_rewards: Literal["group", "batch", "none"]
    epsilon: Share = Field(description="clip range below")
    epsilon_high: NonNegative = Field(description="clip range above")
    beta: NonNegative = Field(description="weight of the KL to the warm start; 0 loads no reference model")

    eval_every: Count = Field(description="steps between validations; there is one before the first step, too")
    eval_queries: Count = Field(description="validation queries, drawn once, each answered greedily")
    keep: Literal["best", "last"] = Field(description="which policy is the result: best by validation MRR, or the last")
    save_every: Count = Field(description="steps between checkpoints that a killed run continues from")

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.save_every % self.num_iterations:
            aligned = -(-self.save_every // self.num_iterations) * self.num_iterations
            raise ValueError(
                f"save_every={self.save_every} is not a multiple of num_iterations={self.num_iterations}: a run that "
                f"continues would sample other answers; use {aligned}"
            )
        summed = self.loss_type in ("bnpo", "dr_grpo", "dapo", "cispo", "vespo")
        if self.importance_sampling_level == "sequence" and summed:
            raise ValueError(
                f"importance_sampling_level=sequence does not go with loss_type={self.loss_type}, a sum over tokens: "
                "use loss_type=grpo or importance_sampling_level=token"
            )
        if self.credit == "item" and (self.sampler == "free" or self.importance_sampling_level == "sequence"):
            raise ValueError(
                "credit=item needs sampler=constrained and importance_sampling_level=token: use them, or credit=list"
            )
        if self.importance_sampling_level == "token" and self.loss_type == "luspo":
            raise ValueError("loss_type=luspo weights whole answers: use importance_sampling_level=sequence")
        return self


GrpoSpec = Annotated[GrpoTrain | GrpoOff, Field(discriminator="kind")]
