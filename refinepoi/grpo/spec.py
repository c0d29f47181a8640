"""Settings of the GRPO stage, TRL's names where TRL has one. What does not go together is refused (`rules.py`)."""

from importlib.util import find_spec
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec
from refinepoi.grpo.rules import contradictions


class GrpoOff(Spec):
    """No reinforcement learning: the policy is the warm start."""

    kind: Literal["off"]


class Sapo(Spec):
    """Temperatures of the soft gate of loss_type=sapo, for good and for bad answers."""

    temperature_pos: Positive
    temperature_neg: Positive


class Vespo(Spec):
    """Exponents and decays of the weights of loss_type=vespo, for good and for bad answers."""

    k_pos: Positive
    lambda_pos: Positive
    k_neg: Positive
    lambda_neg: Positive


class AlertSpec(Spec):
    """When a run says that something is wrong. Each says it once, with the remedy (`alerts.py`)."""

    window: Count = Field(description="steps an average is taken over; half of a run at most")
    zero_variance: Share = Field(description="share of groups whose answers all earn the same; 1 never warns")
    entropy: Share = Field(description="entropy over that of the first `window` steps; 0 never warns")
    length: NonNegative = Field(
        description="relative change of the answers' length since the first steps; 0 never warns"
    )
    hacking_validations: int = Field(
        ge=0,
        description="the last so many validations, with MRR going down and the reward up, stop the run; 0 never stops",
    )
    hacking_drop: Share = Field(description="how far below the best MRR, seen before them, their mean must lie")

    @model_validator(mode="after")
    def _two_at_least(self) -> Self:
        if self.hacking_validations == 1:
            raise ValueError("hacking_validations=1 has no slope: use 2 or more, or 0 for never")
        return self


class ParitySpec(Spec):
    """Before training, vLLM and transformers answer the same prompts: they must be the same policy (`parity.py`)."""

    prompts: Count
    same: Share = Field(description="least share of greedy tokens that must agree")
    logprob: Positive = Field(description="largest mean difference of the tokens' log-probabilities, in nats")


class GrpoTrain(Spec):
    kind: Literal["train"]
    seed: int = Field(ge=0)

    prompts_per_step: Count = Field(description="different prompts in one optimizer step")
    num_generations: int = Field(ge=2, description="answers for each prompt, the group")
    steps: Count = Field(description="optimizer steps")
    num_iterations: Count = Field(description="optimizer steps on each batch of answers")

    sampler: Literal["constrained", "free", "beams"]
    engine: Literal["transformers", "vllm_colocate", "vllm_server"] = Field(
        description="what makes the free sampler's answers; vLLM: GPUs"
    )
    parity: ParitySpec = Field(description="vLLM only")
    beam_items: Count = Field(description="beams: the first so many items differ between beams, the rest is greedy")
    credit: Literal["list", "item"] = Field(description="one advantage for a list, or one for each of its items")
    temperature: Positive
    top_p: float = Field(gt=0, le=1, description="this and the next four: free sampler only")
    top_k: int = Field(ge=0, description="0: all tokens")
    min_p: Share = Field(description="0: off")
    repetition_penalty: Positive = Field(description="1: off")
    max_new_tokens: Count = Field(description="a constrained list is as long as it must be")
    mask_truncated_completions: bool = Field(description="leave answers that hit max_new_tokens out of the loss")

    learning_rate: Positive
    schedule: Literal["constant", "linear", "cosine"]
    warmup: Share = Field(description="share of the steps over which the learning rate rises")
    weight_decay: NonNegative
    max_grad_norm: Positive
    precision: Literal["float32", "bfloat16"] = Field(description="bfloat16 pays on GPUs only")

    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"]
    importance_sampling_level: Literal["token", "sequence"]
    scale_rewards: Literal["group", "batch", "none"]
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"]
    epsilon: Share = Field(description="clip range below")
    epsilon_high: NonNegative = Field(description="clip range above; of cispo, the largest ratio")
    delta: Positive | None = Field(description="upper bound of the ratio for bad answers, too (two-sided clip)")
    sapo: Sapo
    vespo: Vespo
    off_policy_mask_threshold: Positive | None = Field(
        description="KL beyond which a bad answer is left out; null: off"
    )
    beta: NonNegative = Field(description="weight of the KL to the warm start; 0 loads no reference model")
    use_bias_correction_kl: bool = Field(description="KL times the ratio: the gradient of the reverse KL, unbiased")
    top_entropy_quantile: float = Field(gt=0, le=1, description="share of tokens, by entropy, that the loss is about")
    entropy_coef: NonNegative = Field(description="weight of a bonus for entropy")

    eval_every: Count = Field(description="steps between validations; there is one before the first step, too")
    eval_queries: Count = Field(description="validation queries, drawn once, each answered greedily")
    keep: Literal["best", "last"] = Field(description="which policy is the result: best by validation MRR, or the last")
    save_every: Count = Field(description="steps between checkpoints that a killed run continues from")
    alerts: AlertSpec

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if found := list(contradictions(self)):
            raise ValueError("; ".join(found))
        return self

    def problems(self) -> list[str]:
        if self.engine != "transformers" and find_spec("vllm") is None:
            return [
                f"grpo.engine: {self.engine}, but vllm is not installed; install a vllm that TRL 1.16 supports "
                "(docs/scale.md), or give grpo.engine=transformers"
            ]
        return []


GrpoSpec = Annotated[GrpoTrain | GrpoOff, Field(discriminator="kind")]
