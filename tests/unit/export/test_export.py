"""What `goal=export` writes is used as a stranger would: with transformers and the files of the folder alone."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from models import logits, lora, pretrained, scratch, train
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from refinepoi.artifacts.export import Export
from refinepoi.artifacts.files import BrokenArtifact
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import POIS
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.trie import Trie
from refinepoi.export.example import list_places
from refinepoi.export.spec import ExportSpec
from refinepoi.export.write import write_folder
from refinepoi.model.load import build, load, save
from refinepoi.model.tokenizer import id_token_numbers

PLACES, K = 5, 3
PROMPT = "d1 h9 g2 <A_0,1><B_2,2> a3 answer"


class World:
    """Five places, one prompt for each split."""

    def __init__(self) -> None:
        codes = np.array([[1, 8], [1, 0], [4, 0], [2, 2], [8, 8]], np.int32)
        self.ids = SemanticIds(codes, ((3, 3), (3, 3)), "nearest_free")
        rows = {"query": [0, 1], "split": [0, 1], "prompt": [PROMPT] * 2, "answer": [self.ids.texts[0]] * 2}
        table = pl.DataFrame(rows | {"ranked": rows["answer"], "target": [0, 0]}, schema=TABLE)
        facts = {"budget": 40, "longest_answer": 2 * K + 1, "template": "evidence", "history": "all"}
        words = ("a3", "answer", "d1", "g2", "h9")
        self.prompts = Prompts(table, pl.DataFrame(schema=STREAMS), words, self.ids.tokens, K, facts)
        places = {"poi_id": [f"p{n}" for n in range(PLACES)], "category_id": ["c"] * PLACES}
        places |= {"category": ['Café, “Été”\n"x"'] * PLACES, "latitude": np.linspace(40, 41, PLACES)}
        self.trajectories: Any = type("Stub", (), {})()  # of a whole artifact only this is read
        self.trajectories.pois = pl.DataFrame(
            places | {"longitude": np.zeros(PLACES), "in_train": [True] * PLACES}, schema=POIS
        )
        self.trajectories.facts = {"protocol": {"dataset": "city", "split": "global time"}}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def policy_of(world: World, spec: Any, folder: Path) -> Policy:
    lm = build(spec, world.prompts, world.ids)
    train(lm, world.prompts)
    save(lm, folder)
    return Policy(folder, {"trained": "sft", "phases": [{"validation": [{"step": 0, "MRR": 0.25, "Acc@1": 0.125}]}]})


def export(world: World, policy: Policy, folder: Path, metrics: Any = None, **changes: Any) -> Path:
    spec = ExportSpec(**{"dtype": "float32", "metrics": False, "licence": None, "example": True, **changes})
    write_folder(folder, spec, policy, world.prompts, world.ids, world.trajectories, metrics)
    Export(folder)
    return folder


@pytest.fixture(scope="module")
def scratch_policy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_of(world, scratch("qwen3"), tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def exported(world: World, scratch_policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(world, scratch_policy, tmp_path_factory.mktemp("exported") / "model")


@pytest.fixture(scope="module")
def adapter(world: World, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """A LoRA on a folder."""
    base = tmp_path_factory.mktemp("base")
    save(build(scratch("llama", tie=False), world.prompts, world.ids), base)
    return policy_of(world, pretrained(base, lora()), tmp_path_factory.mktemp("adapter"))


@pytest.mark.parametrize("kind", ["scratch_policy", "adapter"])
def test_plain_transformers_load_it(world: World, kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    policy = request.getfixturevalue(kind)
    folder = export(world, policy, tmp_path / "model")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ours = load(policy.model)
    numbers = tokenizer(world.prompts.table["prompt"][0] + world.prompts.table["answer"][0], return_tensors="pt")
    with torch.no_grad():
        theirs = model(input_ids=numbers.input_ids).logits
    expected = logits(ours, world.prompts)
    assert float((theirs - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    assert not list(folder.glob("adapter*"))


def test_another_run_goes_on_from_it(world: World, exported: Path, scratch_policy: Policy) -> None:
    """As `experiments=nyc_from_cities` does."""
    again, ours = build(pretrained(exported), world.prompts, world.ids), load(scratch_policy.model)
    assert len(again.tokenizer) == len(ours.tokenizer)
    assert torch.equal(logits(again, world.prompts), logits(ours, world.prompts))


def test_what_servers_ask_for(exported: Path) -> None:
    config = json.loads((exported / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"] and config["dtype"] == "float32"
    assert "auto_map" not in config and "_name_or_path" not in config
    tokenizer = AutoTokenizer.from_pretrained(exported)
    asked = tokenizer.apply_chat_template([{"role": "user", "content": PROMPT}], tokenize=False)
    assert asked == PROMPT
    settings = GenerationConfig.from_pretrained(exported)
    assert (settings.max_new_tokens, settings.do_sample, settings.eos_token_id) == (7, False, tokenizer.eos_token_id)


@pytest.mark.parametrize(("dtype", "bytes_each"), [("bfloat16", 2), ("float16", 2)])
def test_smaller_numbers(world: World, adapter: Policy, tmp_path: Path, dtype: str, bytes_each: int) -> None:
    folder = export(world, adapter, tmp_path / "model", dtype=dtype)
    assert json.loads((folder / "config.json").read_text())["dtype"] == dtype
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}


def test_the_table_says_what_each_id_is(exported: Path, world: World) -> None:
    with open(exported / "ids.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["semantic_id"] for row in rows] == list(world.ids.texts)
    assert [row["poi_id"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]
    assert {row["category"] for row in rows} == {'Café, “Été”\n"x"'}
    assert [float(row["latitude"]) for row in rows] == [40, 40.25, 40.5, 40.75, 41]
    assert pl.read_parquet(exported / "ids.parquet").equals(pl.read_csv(exported / "ids.csv"))


def test_the_example_lists_what_our_decoder_lists(exported: Path, world: World) -> None:
    lm = load(exported)
    numbers = np.array(id_token_numbers(lm.tokenizer, world.ids.tokens), np.int64)
    inputs = lm.tokenizer([PROMPT], return_tensors="pt")
    trie = Trie.of(numbers[world.ids.token_index])
    ours = decode_lists(lm.model, trie, inputs.input_ids, inputs.attention_mask, PLACES).pois[0].tolist()
    rows = [{"semantic_id": text} for text in world.ids.texts]
    theirs = list_places(lm.model, lm.tokenizer, rows, PROMPT, PLACES)
    assert theirs == ours and sorted(theirs) == list(range(PLACES))  # all places, none twice


def test_the_example_runs_without_refinepoi(exported: Path, tmp_path: Path) -> None:
    """In a process that cannot import this package."""
    start = [sys.executable, "-I", "-W", "error::UserWarning", str(exported / "example.py")]
    done = subprocess.run(start, capture_output=True, text=True, cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    first, *_ = done.stdout.split("\n\n", 1)
    assert first == PROMPT
    assert [line.split()[0] for line in done.stdout.split("\n\n", 1)[1].splitlines() if line[:1].isdigit()] == [
        "1", "2", "3",
    ]  # fmt: skip


def test_the_model_card(exported: Path, world: World, adapter: Policy, tmp_path: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "transformers" and "license" not in front
    for part in ("split: global time", "MRR 0.250", "vllm serve", "at most 40 tokens", "grids 3x3, 3x3"):
        assert part in card
    table = {"samples": 7, "methods": {"policy": {"Acc@1": 0.5, "MRR": 0.625}, "user_frequency": {"Acc@1": 0.25}}}
    card = (export(world, adapter, tmp_path / "model", table, licence="cc-by-4.0") / "README.md").read_text("utf-8")
    assert yaml.safe_load(card.split("---")[1])["license"] == "cc-by-4.0"
    assert "| policy | 0.500 |  |  | 0.625 |" in card and "a local folder" in card and "sha256" in card
    assert str(tmp_path.parent) not in card  # nothing of the machine it was made on


def test_no_user_is_told_of_unless_asked(world: World, scratch_policy: Policy, tmp_path: Path) -> None:
    folder = export(world, scratch_policy, tmp_path / "model", example=False)
    texts = [file.read_text("utf-8") for file in folder.iterdir() if file.suffix in (".json", ".md", ".py", ".jinja")]
    assert not any(PROMPT in text for text in texts)
    start = [sys.executable, "-I", str(folder / "example.py")]
    done = subprocess.run(start, capture_output=True, text=True, cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 2 and "give a file with one" in done.stderr


def test_weights_trained_as_a_whole_keep_base_and_licence(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(build(scratch("llama", tie=False), world.prompts, world.ids), tmp_path / "base")
    spec = pretrained(tmp_path / "base", name="Qwen/Qwen3-0.6B")
    policy = policy_of(world, spec, tmp_path / "policy")
    save(load(policy.model, trainable=True), tmp_path / "next")  # as GRPO goes on with it
    policy = Policy(tmp_path / "next", policy.facts)
    front = yaml.safe_load((export(world, policy, tmp_path / "model") / "README.md").read_text("utf-8").split("---")[1])
    assert (front["base_model"], front["license"]) == ("Qwen/Qwen3-0.6B", "apache-2.0")
    assert "export.licence" not in caplog.text
    unknown = policy_of(world, pretrained(tmp_path / "base"), tmp_path / "unknown")
    export(world, unknown, tmp_path / "second")
    assert "give export.licence=NAME" in caplog.text


def test_half_an_export_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenArtifact, match=r"has no \['config\.json'"):
        Export(tmp_path)
    with pytest.raises(BrokenArtifact, match="is not in"):
        Export(exported).save(tmp_path)
