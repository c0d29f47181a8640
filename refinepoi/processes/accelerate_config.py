"""What `accelerate launch` reads, from `runtime`. Fields as in accelerate 1.15.

Precision, gradient accumulation and clipping stay with the trainer's own settings, so that they are said once.
"""

from typing import Any

from refinepoi.core.runtime import DeepSpeed, Fsdp, Runtime


def accelerate_config(runtime: Runtime) -> dict[str, Any]:
    """The plain dictionary of the configuration file."""
    common = {
        "compute_environment": "LOCAL_MACHINE",
        "num_machines": 1,
        "machine_rank": 0,
        "num_processes": runtime.processes,
        "main_process_port": 0,  # any free one: several jobs may share a machine
        "mixed_precision": "no",
        "use_cpu": False,  # CPU ranks say so themselves; accelerate would want MPI to start them
        "debug": False,
    }
    match runtime.strategy:
        case Fsdp() as fsdp:
            return {**common, "distributed_type": "FSDP", "fsdp_config": _fsdp(fsdp)}
        case DeepSpeed() as zero:
            return {**common, "distributed_type": "DEEPSPEED", "deepspeed_config": _deepspeed(zero)}
        case _:
            return {**common, "distributed_type": "MULTI_GPU"}


def _fsdp(spec: Fsdp) -> dict[str, Any]:
    return {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",  # one shard group a decoder layer, as the model names them
        "fsdp_reshard_after_forward": spec.reshard,
        "fsdp_offload_params": spec.offload,
        "fsdp_state_dict_type": "FULL_STATE_DICT",
        "fsdp_cpu_ram_efficient_loading": False,  # new token rows are made in each process, from one seed
        "fsdp_activation_checkpointing": False,
    }


def _deepspeed(spec: DeepSpeed) -> dict[str, Any]:
    return {
        "zero_stage": spec.stage,
        "offload_optimizer_device": "cpu" if spec.offload else "none",
        "offload_param_device": "none",
        "zero3_init_flag": False,
        "zero3_save_16bit_model": False,
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
    }
