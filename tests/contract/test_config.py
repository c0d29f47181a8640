"""The settings tree: groups are packages, every file validates, wrong settings are refused in our words."""

import json
import re
from pathlib import Path

import pytest
from folders import model_folder

from refinepoi.core.errors import UserError
from refinepoi.core.goals import GOALS
from refinepoi.core.runtime import Runtime
from refinepoi.encoder.spec import FittedEncoder
from refinepoi.experiment import Experiment, load_config, to_yaml
from refinepoi.features.spec import FittedFeatures
from refinepoi.launching.composition import check
from refinepoi.model.spec import Qlora
from refinepoi.model.tokenizer import word_tokenizer
from refinepoi.quantizer.spec import FittedSpec

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"tracking": "core/tracking_spec.py", "runtime": "core/runtime.py"}
GROUPS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir())


def names(folder: str, pattern: str = "*.yaml") -> list[str]:
    """Files below a folder, found recursively, as they are written on the command line."""
    top = ROOT / folder
    return sorted(file.relative_to(top).with_suffix("").as_posix() for file in top.rglob(pattern))


OPTIONS = names("conf", "*/*.yaml")
PRETRAINED = [n for n in names("conf/model") if "kind: pretrained" in (ROOT / f"conf/model/{n}.yaml").read_text()]
EXPERIMENTS = names("experiments")
SWEEPS = names("multirun_sweeps")


@pytest.fixture
def needs(tmp_path: Path) -> dict[str, list[str]]:
    """What options with a mandatory value must be given: a folder or file that exists."""
    for split in ("train", "val", "test"):
        (tmp_path / f"NYC_{split}.csv").write_text("")
        (tmp_path / f"TKY_{split}.csv").write_text("")
    columns = "user_id,POI_id,latitude,longitude,UTC_time,POI_catname,POI_catid,timezone"
    (tmp_path / "own.csv").write_text(columns + "\n")
    (tmp_path / "raw.txt").write_text("")
    (tmp_path / "spots.csv").write_text("id,spot_categories\n")
    steps = "user_id,venue_id,latitude,longitude,timestamp,venue_category,venue_category_id"
    (tmp_path / "steps.csv").write_text(steps + "\n")
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / file).write_text("{}")
    for pinned in (FittedFeatures, FittedEncoder, FittedSpec):
        manifest = {"stage": pinned.stage, "version": pinned.version, "key": "k", "files": {}}
        (tmp_path / pinned.stage).mkdir()
        (tmp_path / pinned.stage / "manifest.json").write_text(json.dumps(manifest))
    return {
        "dataset/nyc": [f"dataset.path={tmp_path}"],
        "dataset/tky": [f"dataset.path={tmp_path}"],
        "dataset/protocol/published": ["dataset=nyc", f"dataset.path={tmp_path}"],
        "dataset/csv": [f"dataset.path={tmp_path}/own.csv"],
        **{f"dataset/{o}": [f"dataset.path={tmp_path}/raw.txt"] for o in ("nyc_raw", "tky_raw", "gowalla")},
        "dataset/brightkite": [f"dataset.path={tmp_path}/raw.txt"],
        "dataset/ca": [f"dataset.path={tmp_path}/raw.txt", f"dataset.places.path={tmp_path}/spots.csv"],
        "dataset/lbsn2vec": [f"dataset.path={tmp_path}/raw.txt", f"dataset.places.path={tmp_path}/raw.txt"],
        "dataset/massive_steps": [f"dataset.path={tmp_path}/steps.csv"],
        **{f"model/{name}": [f"model.path={tmp_path}"] for name in PRETRAINED},
        **{f"model/training/{how}": ["model=local", f"model.path={tmp_path}"] for how in ("full", "lora", "qlora")},
        "features/fitted": [f"features.map={tmp_path}/make_features"],
        "encoder/fitted": [f"encoder.network={tmp_path}/train_encoder"],
        "profile/template": ["prompt=question"],
        "profile/llm": ["prompt=question", "profile.writer.url=http://localhost/v1"],
        "profile/llm_local": ["prompt=question", f"profile.writer.path={tmp_path}"],
        **{f"ranker/kernels/{name}": ["ranker=trees"] for name in ("off", "deep_sets")},
        "prompt/compact": ["sft.lists.epochs=1"],
        "quantizer/fitted": [f"quantizer.codebook={tmp_path}/quantize"],
    }


def test_groups_are_packages() -> None:
    packages = {f.parent.name for f in (ROOT / "refinepoi").glob("*/spec.py")} - {"core"}
    assert set(GROUPS) - set(OUTSIDE) == packages
    assert all((ROOT / "refinepoi" / path).exists() for path in OUTSIDE.values())
    assert set(GROUPS) <= set(Experiment.model_fields)


def test_the_listings_are_not_empty() -> None:
    assert len(OPTIONS) > 20 and EXPERIMENTS and len(SWEEPS) >= 2


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_validates(option: str, needs: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (Qlora, Runtime):  # what the machine has is no matter of an option's values
        monkeypatch.setattr(part, "problems", lambda self: [])
    monkeypatch.setenv("OPENAI_API_KEY", "a key")  # nor is a key
    group, _, name = option.rpartition("/")
    launch = check([f"{group}={name}", *needs.get(option, [])], multirun=False)
    assert len(launch.jobs) == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_validates(name: str, needs: dict[str, list[str]]) -> None:
    text = (ROOT / "experiments" / f"{name}.yaml").read_text()
    assert len(text.splitlines()) <= 25 and text.startswith(f"# @package _global_\n# refinepoi experiments={name}")
    extra = needs["dataset/nyc"] * ("nyc" in name) + needs["model/local"] * ("from" in name)
    assert check([f"experiments={name}", *extra], multirun=False).jobs


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_validates_and_sweeps(
    name: str, needs: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFINEPOI_NYC", needs["dataset/nyc"][0].partition("=")[2])
    text = (ROOT / "multirun_sweeps" / f"{name}.yaml").read_text()
    assert text.startswith(f"# @package _global_\n# refinepoi multirun_sweeps={name}")
    launch = check([f"multirun_sweeps={name}"], multirun=False)
    assert launch.multirun and launch.sweep == name and (len(launch.jobs) > 1 or not launch.enumerated)
    assert len({to_yaml(job.experiment) for job in launch.jobs}) == len(launch.jobs)


def test_one_at_a_time_is_twenty_percent_of_the_papers_weights() -> None:
    jobs = check(["multirun_sweeps=reward_weights_one_at_a_time"], multirun=False).jobs
    base = jobs[0].experiment.reward.weights.model_dump()
    assert base == check([], multirun=False).jobs[0].experiment.reward.weights.model_dump()
    changed = [
        (name, round(value / base[name], 6))
        for job in jobs[1:]
        for name, value in job.experiment.reward.weights.model_dump().items()
        if value != base[name]
    ]
    assert sorted(changed) == sorted((n, factor) for n, weight in base.items() if weight for factor in (0.8, 1.2))


def test_a_stored_configuration_is_read_back() -> None:
    experiment = check([], multirun=False).jobs[0].experiment
    assert load_config(to_yaml(experiment)) == experiment


def test_seed_reaches_every_part_that_draws() -> None:
    one, two = (check([f"seed={s}"], multirun=False).jobs[0].experiment for s in (1, 2))
    assert {one.encoder.seed, one.quantizer.seed, one.model.seed, one.sft.seed, one.grpo.seed} == {1}
    assert one.dataset == two.dataset, "the embedded city is one world, whatever the run's seed"


REFUSALS = [
    (["quantizer.levels=[16]"], "quantizer.levels.0: must be a grid written HEIGHTxWIDTH, such as 16x16 (got 16)"),
    (["reward.weights.rank=abc"], "reward.weights.rank: must be a number (got 'abc')"),
    (["reward.weights.rank=-1"], "reward.weights.rank: must be greater than or equal to 0 (got -1)"),
    (["reward.weights.rank=nan"], "reward.weights.rank: must be a finite number (got nan)"),
    (["reward.weigths.rank=1"], "reward.weigths.rank: unknown key (got 1); did you mean reward.weights.rank?"),
    (["+reward.weights.fame=1"], "reward.weights.fame: unknown key (got 1)"),
    (["reward.weights.fame=1"], "reward.weights.fame: unknown key (got 1)"),
    (["dataset=nix"], "dataset: no option 'nix'"),
    (["dataset=nyc"], "dataset.path: has no value; give dataset.path=..."),
    (["dataset=nyc", "dataset.path=/no/such/folder"], "dataset.path:"),
    (["model=local", "model.path=/no/such/folder"], "model.path:"),
    (["goal=fame"], "goal: unknown goal; one of trajectories"),
    (["prompt.list_length=5"], "evaluation.scoring.ks: Acc@10 needs lists of 10 (prompt.list_length is 5)"),
    (["grpo.num_generations=1"], "grpo.num_generations: must be greater than or equal to 2 (got 1)"),
    (["grpo.sampler=free"], "\n  grpo: credit=item needs sampler=constrained"),
    (
        ["grpo=paper", "prompt.list_length=20"],
        "grpo.max_new_tokens: 32 cuts every list: 20 places of 2 tokens and the end",
    ),
    (
        ["grpo=paper", "quantizer.collisions=suffix", "grpo.max_new_tokens=30"],
        "10 places of 3 tokens and the end are 31",
    ),
    (
        ["grpo=paper", "prompt=question", "prompt.reasoning=true", "grpo.max_new_tokens=276"],
        "grpo.max_new_tokens: 276 leaves 255 tokens of reasoning beside a list of 21, but "
        "evaluation.decoding.reasoning.tokens is 256, and what is evaluated must be what trained and was chosen; give "
        "grpo.max_new_tokens=277 or more, or lower evaluation.decoding.reasoning.tokens",
    ),
    (["grpo.steps=1.5"], "grpo.steps: must be a whole number (got 1.5)"),
    (["sft.alignment.epochs=1"], "sft.alignment.epochs: prompt=evidence has no such tasks; use prompt=question or 0"),
    (["prompt=question", "prompt.reasoning=true", "grpo=paper"], "prompt.reasoning: true, but a model from scratch"),
    (["prompt=question", "prompt.reasoning=true"], "only GRPO on free text lets the model reason; give grpo.sampler="),
    (["prompt=question", "prompt.reasoning=true", "grpo=off"], "only GRPO on free text lets the model reason; give"),
    (["prompt=question", "prompt.budget=63"], "prompt.budget: 63 tokens, but an empty prompt has 64; give at least"),
    (["profile=template"], "profile: prompt=evidence has no place for it; use prompt=question or profile=off"),
    (["name=../../x"], "name: "),
    (["seed=1,2"], "seed=1,2: several values; add -m to sweep over them"),
    (["nonsense"], "nonsense: not an override; write key=value"),
    (["sequence=sasrec", "sequence.heads=3"], "sequence: hidden 64 must be a multiple of heads (3)"),
    (["ensemble=loglinear", "ensemble.counters=[typo]"], "ensemble.counters: no counter named typo; there are user_co"),
    (["ensemble=loglinear", "ensemble.counters=[ranker_score]"], "ensemble.counters: ranker_score comes from a ranker"),
    (["ranker=trees", "prompt.counters=[kernel_score]"], "prompt.counters: kernel_score comes from learned kernels"),
    (["ranker=logit", "ranker.counters=[typo]"], "ranker.counters: no counter named typo; there are user_count"),
    (["prompt.counters=[typo]"], "prompt.counters: no counter named typo; there are user_count"),
    (
        ["ensemble=loglinear", "ranker=trees", "ensemble.candidates=65"],
        "ensemble.candidates: 65 are to be ranked but ranker.kept is 64; lower the one or raise the other",
    ),
    (["runtime.device=tpu"], "runtime.device: must be auto, cpu or cuda (got 'tpu')"),
    (["runtime.processes=3", "grpo.prompts_per_step=8"], "grpo.prompts_per_step: 8 cannot be shared equally by"),
    (
        ["runtime.processes=4", "sft.answers.batch_size=3"],
        "sft.answers.batch_size: 3 examples a step cannot be shared by",
    ),
    (["sft.precision=bfloat16"], "sft.precision: bfloat16 is for GPUs (this machine has none)"),
    (["grpo.precision=bfloat16"], "grpo.precision: bfloat16 is for GPUs (this machine has none)"),
    (["runtime.device=cuda"], "runtime.device: cuda, but this machine has no GPU"),
    (["runtime/strategy=fsdp"], "runtime.strategy: fsdp needs GPUs and this machine has none"),
    (["runtime/strategy=deepspeed"], "runtime.strategy: deepspeed is not installed"),
]


@pytest.mark.parametrize(("words", "line"), REFUSALS, ids=[" ".join(w) for w, _ in REFUSALS])
def test_refusals_name_key_value_and_remedy(words: list[str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rules", "core.runtime"):
        monkeypatch.setattr(f"refinepoi.{module}.may_have_gpu", lambda: False)
    with pytest.raises(UserError) as caught:
        check(words, multirun=False)
    assert line in str(caught.value), str(caught.value)


@pytest.mark.parametrize(("chat", "more"), [("off", 0), ("auto", 10)])
def test_a_budget_is_counted_with_the_models_own_tokenizer(tmp_path: Path, chat: str, more: int) -> None:
    words = ["prompt=question", f"prompt.chat={chat}", "model=local", f"model.path={model_folder(tmp_path / 'model')}"]
    with pytest.raises(UserError, match=r"prompt\.budget: 100 tokens") as caught:
        check([*words, "prompt.budget=100"], multirun=False)
    least = int(re.findall(r"prompt.budget=(\d+)", str(caught.value))[0])
    assert least > 100 + more
    check([*words, f"prompt.budget={least}"], multirun=False)


@pytest.mark.parametrize("trained", [["sft=off", "grpo=off"], ["sft=off", "grpo=paper", "grpo.max_new_tokens=277"]])
def test_a_pretrained_model_may_reason(tmp_path: Path, trained: list[str]) -> None:
    words = [
        "prompt=question",
        "prompt.reasoning=true",
        "model=local",
        f"model.path={model_folder(tmp_path / 'model')}",
    ]
    check([*words, *trained], multirun=False)
    for grpo in ("off", "default"):
        with pytest.raises(UserError, match="only GRPO on free text lets the model reason"):
            check([*words, f"grpo={grpo}"], multirun=False)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(UserError) as caught:
        check(["grpo.steps=0", "reward.weights.rank=abc", "seeed=3", "quantizer.levels=[9]"], multirun=False)
    text = str(caught.value)
    assert text.startswith("4 errors in the configuration") and "seeed: unknown key (got 3); did you mean seed?" in text


def test_every_job_of_a_sweep_is_checked_first() -> None:
    with pytest.raises(UserError, match=r"grpo.steps: .* \(got 0\)"):
        check(["grpo.steps=5,0,7"], multirun=True)


def test_the_command_line_replaces_an_axis_of_a_sweep_file() -> None:
    assert len(check(["multirun_sweeps=som_grid"], multirun=False).jobs) == 4
    assert len(check(["multirun_sweeps=som_grid", "quantizer.levels=[5x5,5x5]"], multirun=False).jobs) == 1


def test_a_typo_inside_an_experiment_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("conf", "experiments", "multirun_sweeps"):
        (tmp_path / folder).symlink_to(ROOT / folder) if folder == "conf" else (tmp_path / folder).mkdir()
    text = "# @package _global_\nquantizer:\n  colisions: none\n"
    (tmp_path / "experiments" / "wrong.yaml").write_text(text)
    monkeypatch.setattr("refinepoi.launching.composition.config_root", lambda: tmp_path)
    with pytest.raises(UserError, match=r"quantizer.colisions: unknown key .* did you mean collisions\?"):
        check(["experiments=wrong"], multirun=False)


def test_goals_are_the_pipeline() -> None:
    text = (ROOT / "refinepoi" / "pipeline.py").read_text()
    properties = re.findall(r"@cached_property\n    def (\w+)", text)
    assert set(GOALS) - {"report", "dashboard"} <= set(properties)  # these two make no artifact
    assert set(properties) - set(GOALS) == {"warm_start_predictions", "ranker_predictions"}


def test_a_model_of_ours_goes_on_with_the_words_it_knows(tmp_path: Path) -> None:
    """Refused before anything is trained; a tokenizer that reads words in pieces is not asked."""
    words = [f"{letter}{n}" for letter in "abcefi" for n in range(24)]
    ids = [f"<{level}_{row},{column}>" for level in "AB" for row in range(8) for column in range(8)]
    tokenizer = word_tokenizer(words, ids, 256)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").touch()
    (tmp_path / "model.safetensors").touch()
    goes_on = ["model=local", "model/training=full", f"model.path={tmp_path}"]
    assert check(goes_on, multirun=False).jobs
    refused = [
        (
            ["prompt.bins=25"],
            "prompt.bins: 25 for each of 6 prompt.counters, but the model in model.path has no word 'a24",
        ),
        (
            [
                "prompt.counters=[user_count,user_next,user_habit,user_hour_2h,user_decay_7d,user_next_gap,days_since_visit]"
            ],
            "has no word 'j23'",
        ),
        (
            ["quantizer.levels=[8x8,8x9]"],
            "quantizer.levels: level 2 is 8x9, but the model in model.path has no token '<B_7",
        ),
    ]
    for change, line in refused:
        with pytest.raises(UserError, match=re.escape(line)):
            check([*goes_on, *change], multirun=False)
    pieces = (tmp_path / "tokenizer.json").read_text().replace('"WordLevel"', '"BPE"')
    (tmp_path / "tokenizer.json").write_text(pieces)
    assert check([*goes_on, "prompt.bins=25"], multirun=False).jobs
