"""The same overrides through Hydra's launchers: other processes, a real Slurm on this machine, a local Ray cluster."""

import importlib.util
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import small

SMALL = [*small.SMALL, "tracking=off"]
SWEEP = [*SMALL, "goal=trajectories", "-m", "dataset.city.pois=80,90,100"]


def refinepoi(folder: Path, *words: str, **variables: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, "-m", "refinepoi", *words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install 'refinepoi[sweep]'")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("hydra_plugins.hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
        ("hydra_plugins.hydra_ray_launcher", ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"]),
    ],
    ids=["joblib", "submitit_local", "ray"],
)
def test_other_processes(tmp_path: Path, plugin: str, words: list[str]) -> None:
    needs(plugin)
    out = refinepoi(tmp_path, *SWEEP, *words)
    assert "3 of 3 done, 0 running, 0 failed" in out


CONFIGURATION = """
ClusterName=laptop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """munged, slurmctld and slurmd of this test's own. Yields the environment that reaches them."""
    needs("hydra_plugins.hydra_submitit_launcher")
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Slurm of our own needs root and Debian's slurm-wlm and munge (missing: {missing})")
    folder = tmp_path_factory.mktemp("slurm")
    for part in [folder, *folder.parents][:3]:
        part.chmod(0o755)
    munge = folder / "munge"
    munge.mkdir(mode=0o700)
    key = munge / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    user = pwd.getpwuid(os.geteuid()).pw_name
    daemons = [
        ["munged", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}", f"--pid-file={munge}/pid",
         f"--log-file={munge}/log", f"--seed-file={munge}/seed"],
        ["slurmctld", "-f", f"{folder}/slurm.conf"],
        ["slurmd", "-f", f"{folder}/slurm.conf"],
    ]  # fmt: skip
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    text = CONFIGURATION.format(host=host, folder=folder, ports=(free_port(), free_port()))
    (folder / "slurm.conf").write_text(text)
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "USER": user}
    environment = os.environ | variables
    for daemon in daemons:
        subprocess.run(daemon, check=True, env=environment, timeout=60)
        time.sleep(1)
    for _ in range(60):
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, env=environment).stdout
        if "idle" in told:
            break
        time.sleep(0.5)
    else:
        pytest.fail(f"no node came up: {told}\n{(folder / 'slurmctld.log').read_text()[-2000:]}")
    yield variables
    for file in (folder / "slurmd.pid", folder / "slurmctld.pid", munge / "pid"):
        if file.exists():
            subprocess.run(["kill", file.read_text().strip()])


SLURM = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=debug", "hydra.launcher.cpus_per_task=1",
         "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=30"]  # fmt: skip


@pytest.mark.slow
def test_an_array_job_on_slurm(slurm: dict[str, str], tmp_path: Path) -> None:
    out = refinepoi(tmp_path, *SWEEP, *SLURM, **slurm)
    assert "3 of 3 done, 0 running, 0 failed" in out
    sweep = Path(out.splitlines()[-1])
    arrays = {found[1] for f in (sweep / ".submitit").iterdir() if (found := re.match(r"(\d+)_\d+$", f.name))}
    assert len(arrays) == 1, "one array job for the whole sweep"


@pytest.mark.slow
def test_a_preempted_job_is_requeued_and_goes_on(slurm: dict[str, str], tmp_path: Path) -> None:
    """Told to stop, the trainer saves, submitit requeues, and the second life ends with the same bytes."""
    long = [*SMALL, "goal=policy", "grpo.steps=150", "grpo.save_every=1000"]
    environment = os.environ | slurm | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "refinepoi", *long, "-m", "grpo.seed=3", *SLURM]
    job = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    partial = tmp_path / "artifacts" / ".partial"
    for _ in range(1200):
        if list(partial.glob("train_grpo-*/.work/best-0")):
            break
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.1)
    time.sleep(2)
    numbers = subprocess.run(["squeue", "-h", "-o", "%A"], capture_output=True, text=True, env=environment).stdout
    subprocess.run(["scancel", "--signal=USR2", numbers.split()[0]], check=True, env=environment)
    for _ in range(200):
        if list(partial.glob("train_grpo-*/.work/checkpoint-*")):
            break
        time.sleep(0.1)
    checkpoints = list(partial.glob("train_grpo-*/.work/checkpoint-*"))
    assert checkpoints and checkpoints[0].name != "checkpoint-1000", "saved when told to stop"
    (sweep,) = (tmp_path / "sweeps").glob("*/*")
    for _ in range(200):
        status = json.loads((sweep / "0" / "outcome.json").read_text())["status"]
        if status != "running":
            break
        time.sleep(0.1)
    assert status == "stopped"
    # Slurm holds a requeued job back for two minutes; an administrator need not wait.
    for _ in range(100):
        subprocess.run(["scontrol", "release", numbers.split()[0]], env=environment, capture_output=True)
        subprocess.run(["scontrol", "update", f"JobId={numbers.split()[0]}", "StartTime=now"],
                       env=environment, capture_output=True)  # fmt: skip
        time.sleep(2)
        if job.poll() is not None:
            break
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 0 and "1 of 1 done" in out, out
    whole = refinepoi(tmp_path, *long, "grpo.seed=3", "runtime.store=other")
    key = re.search(r"policy +made +(\w+)", whole)[1]  # type: ignore[index]
    manifests = [
        json.loads((tmp_path / root / "train_grpo" / key / "manifest.json").read_text())
        for root in ("artifacts", "other")
    ]
    differing = {f for f, d in manifests[0]["files"].items() if d != manifests[1]["files"].get(f)}
    assert not differing - {"curve.json"}
