"""What is frozen for the ranks, and what accelerate is told."""

import json
from pathlib import Path

import pytest
from options import option
from parallel_stages import Say, Text, say
from runtimes import runtime

from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.processes.accelerate_config import accelerate_config
from refinepoi.processes.events import EventBar, Events, Replay
from refinepoi.processes.job import read_job, write_job
from refinepoi.processes.launch import require_devices


def context(folder: Path) -> Context:
    return Context(folder, runtime(processes=3, micro_batch=5), StageLog("say"), "say")


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    arguments = [Say(word="ä"), Artifact("say", "key", tmp_path / "text", Text)]
    write_job(tmp_path, say, context(tmp_path), arguments)
    job = read_job(tmp_path)
    assert job.stage is say and list(job.arguments) == arguments
    assert job.runtime == runtime(processes=3, micro_batch=5) and job.folder == tmp_path


@pytest.mark.parametrize("name", ["ddp", "fsdp", "deepspeed"])
def test_accelerate_takes_the_configuration(name: str, tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    file = tmp_path / "accelerate.json"
    strategy = option("runtime", f"strategy/{name}")
    file.write_text(json.dumps(accelerate_config(runtime(device="auto", processes=4, strategy=strategy))))
    read = load_config_from_file(str(file))
    assert read.num_processes == 4
    assert read.distributed_type.value == {"ddp": "MULTI_GPU", "fsdp": "FSDP", "deepspeed": "DEEPSPEED"}[name]


def test_what_strategies_say() -> None:
    fsdp = accelerate_config(runtime(device="auto", strategy={"kind": "fsdp", "reshard": False, "offload": True}))
    assert fsdp["fsdp_config"]["fsdp_version"] == 2
    assert not fsdp["fsdp_config"]["fsdp_reshard_after_forward"] and fsdp["fsdp_config"]["fsdp_offload_params"]
    for stage in (1, 2):
        zero = accelerate_config(
            runtime(device="auto", strategy={"kind": "deepspeed", "stage": stage, "offload": True})
        )["deepspeed_config"]
        assert zero["zero_stage"] == stage and zero["offload_optimizer_device"] == "cpu"


def test_sharding_needs_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    fsdp = option("runtime", "strategy/fsdp")
    assert "runtime.device=cpu" in runtime(strategy=fsdp).problems()[0]
    monkeypatch.setattr("refinepoi.core.runtime.may_have_gpu", lambda: True)
    assert runtime(device="auto", strategy=fsdp).problems() == []
    with pytest.raises(UserError, match=r"runtime.strategy: fsdp needs GPUs .* runtime/strategy=ddp"):
        require_devices(runtime(strategy=fsdp))


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file, parent = tmp_path / "events", context(tmp_path)
    replay = Replay(file, parent)
    replay()  # nothing there yet
    Events(file).tell("metrics", values={"loss": 1.0}, step=1)
    with open(file, "a") as stream:
        stream.write('{"what": "metrics", "values": {"lo')
    replay()
    assert parent.log.curve == [{"step": 1.0, "loss": 1.0}]
    with open(file, "a") as stream:
        stream.write('ss": 2.0}, "step": 2}\n')
    replay()
    replay()
    assert parent.log.curve == [{"step": 1.0, "loss": 1.0}, {"step": 2.0, "loss": 2.0}]


def test_a_bar_counts_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "events"
    assert list(EventBar(Events(file), [5, 6, 7], None, "row")) == [5, 6, 7]
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert told[-1]["n"] == told[-1]["total"] == 3 and told[-1]["closed"] and told[-1]["unit"] == "row"
