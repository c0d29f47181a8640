"""TRL's settings from ours. Everything that TRL or transformers would decide by itself is decided here."""

from pathlib import Path
from typing import Any

from trl import GRPOConfig

from refinepoi.core.runtime import Vllm
from refinepoi.grpo.batching import Batching
from refinepoi.grpo.spec import GrpoTrain

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def trainer_settings(
    spec: GrpoTrain,
    batching: Batching,
    reward_weights: list[float],
    completion_length: int,
    work: Path,
    cpu: bool,
    vllm: Vllm,
) -> GRPOConfig:
    """completion_length: tokens of a whole constrained list; the free sampler has its own limit."""
    return GRPOConfig(
        output_dir=str(work),
        seed=spec.seed,
        data_seed=spec.seed,
        shuffle_dataset=False,  # `plan_prompts` has the order
        max_steps=spec.steps,
        per_device_train_batch_size=batching.part,
        gradient_accumulation_steps=batching.parts,
        steps_per_generation=batching.parts,
        num_generations=spec.num_generations,
        num_iterations=spec.num_iterations,
        max_completion_length=spec.max_new_tokens if spec.sampler == "free" else completion_length,
        temperature=spec.temperature,
        top_p=spec.top_p,
        top_k=spec.top_k,
        min_p=spec.min_p or None,
        repetition_penalty=spec.repetition_penalty,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=SCHEDULES[spec.schedule],
        warmup_steps=round(spec.warmup * spec.steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        loss_type=spec.loss_type,
        importance_sampling_level=spec.importance_sampling_level,
        scale_rewards=spec.scale_rewards,
        multi_objective_aggregation=spec.multi_objective_aggregation,
        epsilon=spec.epsilon,
        epsilon_high=spec.epsilon_high,
        delta=spec.delta,
        sapo_temperature_pos=spec.sapo.temperature_pos,
        sapo_temperature_neg=spec.sapo.temperature_neg,
        vespo_k_pos=spec.vespo.k_pos,
        vespo_lambda_pos=spec.vespo.lambda_pos,
        vespo_k_neg=spec.vespo.k_neg,
        vespo_lambda_neg=spec.vespo.lambda_neg,
        off_policy_mask_threshold=spec.off_policy_mask_threshold,
        beta=spec.beta,
        use_bias_correction_kl=spec.use_bias_correction_kl,
        top_entropy_quantile=spec.top_entropy_quantile,
        entropy_coef=spec.entropy_coef,
        use_adaptive_entropy=False,
        reward_weights=reward_weights,
        disable_dropout=True,
        mask_truncated_completions=spec.mask_truncated_completions,
        **_engine(spec, vllm),
        **_process(cpu, spec.precision),
    )


def _engine(spec: GrpoTrain, vllm: Vllm) -> dict[str, Any]:
    """Who samples. vLLM's answers come from weights of another rounding: TRL weighs them by the ratio, capped at 3."""
    if spec.engine == "transformers":
        return {"use_vllm": False}
    return {
        "use_vllm": True,
        "vllm_mode": spec.engine.removeprefix("vllm_"),
        "vllm_server_host": vllm.host,
        "vllm_server_port": vllm.port,
        "vllm_server_timeout": vllm.timeout,
        "vllm_gpu_memory_utilization": vllm.memory,
        "vllm_enable_sleep_mode": vllm.sleep,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": "token_truncate",
        "vllm_importance_sampling_clip_max": 3.0,
    }


def _process(cpu: bool, precision: str) -> dict[str, Any]:
    """What concerns the process, its console and its files."""
    return {
        "use_cpu": cpu,
        "ddp_find_unused_parameters": False,
        "bf16": precision == "bfloat16",
        "activation_checkpointing": False,
        "remove_unused_columns": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": not cpu,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "log_completions": False,
        "save_strategy": "steps",
        "save_steps": 10**9,  # the callback decides
        "save_total_limit": 2,
        "eval_strategy": "no",
        "push_to_hub": False,
    }
