"""Lists of a tiny random model: every entry is a place, none twice; checked by counting, not by trust."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from folders import thinking_folder
from models import pretrained
from runtimes import runtime
from transformers import LlamaConfig, LlamaForCausalLM

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.predictions import RANKS, REASONING, Predictions
from refinepoi.artifacts.predictions import TABLE as TABLE_OF_LISTS
from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact, Context
from refinepoi.core.tracking import StageLog
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.list_beams import beam_lists
from refinepoi.decoding.lists import Lists, decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.evaluation import predict as module
from refinepoi.evaluation.predict import decode_prompts, list_ranks
from refinepoi.evaluation.score import Method, list_faults, reasoning_figures
from refinepoi.evaluation.spec import DecodingSpec, ReasoningSpec
from refinepoi.evaluation.stage import predict
from refinepoi.model.load import LanguageModel, build, load, save
from refinepoi.model.tokenizer import id_token_numbers, word_tokenizer
from refinepoi.prompt.settle import settle

POIS = 30
RUNTIME = runtime(micro_batch=4)
WORDS = tuple(f"w{i:02d}" for i in range(20))


def ids(codes: np.ndarray) -> SemanticIds:
    return SemanticIds(codes.astype(np.int32), ((2, 3), (3, 3)), "nearest_free")


IDS = ids(np.array(list(itertools.product(range(6), range(9))))[np.random.default_rng(0).permutation(54)[:POIS]])


def prompts(semantic_ids: SemanticIds = IDS, count: int = 23, list_length: int = 10) -> Prompts:
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(WORDS, size=draw.integers(3, 17))) for _ in range(count)]
    target = draw.integers(len(semantic_ids.codes), size=count)
    table = pl.DataFrame(
        {
            "query": np.arange(count) * 2 + 5,
            "split": np.repeat([0, 1, 2], [5, 8, count - 13]),
            "prompt": texts,
            "answer": [semantic_ids.texts[t] for t in target],
            "ranked": [semantic_ids.texts[t] for t in target],
            "target": target,
        }
    ).cast(TABLE)  # type: ignore[arg-type]
    return Prompts(table, pl.DataFrame(schema=STREAMS), WORDS, semantic_ids.tokens, list_length, {})


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    torch.manual_seed(0)
    tokenizer = word_tokenizer(WORDS, IDS.tokens, 128)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id, initializer_range=0.6,
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("policy")
    save(LanguageModel(model, tokenizer), folder)
    return Policy(folder)


def context(folder: Path) -> Context:
    return Context(folder, RUNTIME, StageLog("predict"), "predict")


def spec(mode: str = "list", k: int = 10, batch: int = 4, **reasoning: Any) -> DecodingSpec:
    free = ReasoningSpec(**{"tokens": 40, "temperature": None, "seed": 0} | reasoning)
    return DecodingSpec(mode=mode, k=k, batch=batch, beams=3, reasoning=free)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["list", "list_beam", "beam"])
def test_every_entry_of_every_list_is_a_place_and_none_comes_twice(mode: str, policy: Policy, tmp_path: Path) -> None:
    asked = prompts()
    made = decode_prompts(context(tmp_path), spec(mode), policy, asked, IDS)
    held_out = asked.table.filter(pl.col("split") > 0)
    assert made.ranks["query"].to_list() == held_out["query"].to_list()
    lists = made.of("model")
    assert lists.shape == (18, 10)
    assert all(len(set(row)) == 10 and min(row) >= 0 and max(row) < POIS for row in lists.tolist())
    faults = list_faults(Method(made, "model"), held_out["query"].to_numpy().astype(np.int64), POIS)
    assert faults == {"invalid_rate": 0.0, "duplicate_rate": 0.0}
    assert made.facts["methods"]["model"]["unreadable"] == 0 and made.facts["methods"]["model"]["list_length"] == 10
    for row, target, rank in zip(lists.tolist(), held_out["target"], made.ranks["rank"], strict=True):
        assert rank == (row.index(target) + 1 if target in row else np.inf)
    assert np.isfinite(made.ranks["rank"].to_numpy()).any() and np.isinf(made.ranks["rank"].to_numpy()).any()


@pytest.mark.parametrize("mode", ["list", "list_beam", "beam"])
def test_batches_and_order_of_the_prompts_change_no_list(mode: str, policy: Policy, tmp_path: Path) -> None:
    one, many = (decode_prompts(context(tmp_path), spec(mode, batch=b), policy, prompts(), IDS) for b in (1, 64))
    np.testing.assert_array_equal(one.of("model"), many.of("model"))
    np.testing.assert_allclose(one.table["score"], many.table["score"], atol=1e-4)


def test_a_list_as_long_as_the_catalogue_names_all_of_it(policy: Policy, tmp_path: Path) -> None:
    made = decode_prompts(context(tmp_path), spec(k=POIS), policy, prompts(list_length=POIS), IDS)
    assert (np.sort(made.of("model"), axis=1) == np.arange(POIS)).all()
    assert np.isfinite(made.ranks["rank"].to_numpy()).all()


def test_the_likeliest_item_is_that_of_each_prompt_read_alone(policy: Policy, tmp_path: Path) -> None:
    """Against plain forward passes over prompt and ID, without padding, renormalised over the IDs that exist."""
    asked = prompts().table.filter(pl.col("split") > 0).head(8)
    first = decode_prompts(context(tmp_path), spec("beam"), policy, prompts(), IDS).of("model")[:8, 0]
    lm = load(policy.model)
    ids_of = torch.tensor(lm.tokenizer.convert_tokens_to_ids(list(IDS.tokens)))[torch.from_numpy(IDS.token_index)]
    for prompt, got in zip(asked["prompt"], first, strict=True):
        read = torch.tensor(lm.tokenizer(prompt)["input_ids"]).repeat(POIS, 1)
        with torch.no_grad():
            scores = lm.model(torch.cat([read, ids_of], 1)).logits[:, -3:-1].double()
        total = torch.zeros(POIS, dtype=torch.float64)
        for poi in range(POIS):
            row = ids_of[poi]
            roots, below = ids_of[:, 0].unique(), ids_of[ids_of[:, 0] == row[0], 1].unique()
            for level, open_ones in enumerate((roots, below)):
                total[poi] += scores[poi, level, row[level]] - scores[poi, level, open_ones].logsumexp(0)
        assert total.argmax() == got
    assert len(set(first.tolist())) > 2  # the prompts matter


def test_likeliest_items_come_in_order_of_likelihood(policy: Policy, tmp_path: Path) -> None:
    scores = decode_prompts(context(tmp_path), spec("beam"), policy, prompts(), IDS).table["score"].to_numpy()
    assert (np.diff(scores.reshape(18, 10), axis=1) <= 0).all()


def test_a_decoder_that_writes_nonsense_is_found_out(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is read from the tokens: a free ID pair, a repeated item and a broken ID are all counted."""
    used = {tuple(row) for row in IDS.codes.tolist()}
    free = next(pair for pair in itertools.product(range(6), range(9)) if pair not in used)
    third = [IDS.token(level, code) for level, code in enumerate(IDS.codes[3])]
    tokens = [IDS.token(0, free[0]), IDS.token(1, free[1]), *third, *third, IDS.token(0, 1), WORDS[0]]

    def nonsense(model: object, trie: object, input_ids: torch.Tensor, mask: object, k: int) -> Lists:
        numbers = torch.tensor(tokenizer.convert_tokens_to_ids(tokens)).repeat(len(input_ids), 1)
        return Lists(numbers, torch.arange(k).repeat(len(input_ids), 1), torch.zeros(numbers.shape))

    tokenizer = word_tokenizer(WORDS, IDS.tokens, 128)
    monkeypatch.setattr(module, "decode_lists", nonsense)
    made = decode_prompts(context(tmp_path), spec(k=4), policy, prompts(), IDS)
    assert made.of("model").tolist() == [[-1, 3, 3, -1]] * 18
    assert made.facts["methods"]["model"]["unreadable"] == 18
    faults = list_faults(Method(made, "model"), made.ranks["query"].to_numpy().astype(np.int64), POIS)
    assert faults == {"invalid_rate": 0.5, "duplicate_rate": 0.25}


def test_shared_ids_score_chance() -> None:
    """One ID for six POIs: naming it is worth the middle place, whichever POI is asked."""
    codes = np.array([[0, 0]] * 6 + [[1, c] for c in range(4)])
    shared = ids(codes)
    lists = np.tile([[7, 0, 8, -1]], (10, 1))
    inf = np.inf
    assert list_ranks(lists, np.arange(10), shared).tolist() == [inf] * 6 + [inf, 1, inf, inf]
    wide = np.tile([[7, 0, 8, 9, 6, -1, -1, -1, -1, -1]], (10, 1))
    assert list_ranks(wide, np.arange(10), shared).tolist() == [4.5] * 6 + [10, 1, 8, 9]
    one_for_all = ids(np.zeros((10, 2), np.int32))
    first = np.tile([0, *[-1] * 9], (10, 1))
    assert list_ranks(first, np.arange(10), one_for_all).tolist() == [5.5] * 10


def test_ranks_of_distinct_ids_are_places_in_the_list() -> None:
    draw = np.random.default_rng(0)
    lists, targets = draw.integers(-1, POIS, size=(500, 10)), draw.integers(POIS, size=500)
    expected = [row.index(t) + 1 if t in row else np.inf for row, t in zip(lists.tolist(), targets, strict=True)]
    assert list_ranks(lists, targets, IDS).tolist() == expected


def test_lists_longer_than_learned_are_refused_with_the_remedy(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluation\.decoding\.k: 11.*lists of 10"):
        decode_prompts(context(tmp_path), spec(k=11), policy, prompts(), IDS)


def test_stage_writes_an_artifact_that_reads_back_and_repeats(policy: Policy, tmp_path: Path) -> None:
    folders = {}
    for name, value in (("policy", policy), ("prompts", prompts()), ("ids", IDS)):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        value.save(folders[name])
    handles = [
        Artifact(n, n, folders[n], made) for n, made in (("policy", Policy), ("prompts", Prompts), ("ids", SemanticIds))
    ]
    outputs = []
    for attempt in ("a", "b"):
        (tmp_path / attempt).mkdir()
        predict.run(context(tmp_path / attempt), spec(), *handles)
        outputs.append({f.name: f.read_bytes() for f in (tmp_path / attempt).iterdir()})
    assert outputs[0] == outputs[1]
    assert Predictions.load(tmp_path / "a").of("model").shape == (18, 10)


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """Its layers add nothing: what it says depends on the last token alone."""
    base = thinking_folder(tmp_path_factory.mktemp("thinker"), "Gym first, then home.")
    training = pretrained(base)
    language = build(training, replace(prompts(), facts={"template": "question"}), IDS)
    folder = tmp_path_factory.mktemp("thinking policy")
    save(language, folder)
    return Policy(folder)


@pytest.mark.parametrize("mode", ["list", "list_beam", "beam"])
def test_the_list_follows_what_the_model_wrote(mode: str, thinker: Policy, tmp_path: Path) -> None:
    asked = replace(prompts(), facts={"reasoning": True, "chat": "auto"})
    made = decode_prompts(context(tmp_path), spec(mode), thinker, asked, IDS)
    assert made.reasoning.height == 18
    assert set(made.reasoning.select("text", "forced").iter_rows()) == {("Gym first, then home.", False)}
    lm = load(thinker.model)
    own = lm.tokenizer("<think>Gym first, then home.</think>")["input_ids"]
    assert set(made.reasoning["tokens"]) == {len(own)}
    trie = Trie.of(np.array(id_token_numbers(lm.tokenizer, IDS.tokens))[IDS.token_index])
    texts = settle(replace(asked, table=asked.table.filter(pl.col("split") > 0)), lm.tokenizer).table["prompt"]
    by_hand = left_padded([ids + own for ids in lm.tokenizer(texts.to_list())["input_ids"]], 0, "cpu")
    if mode == "list":
        expected = decode_lists(lm.model, trie, *by_hand, 10).pois  # type: ignore[arg-type]
    elif mode == "beam":
        expected = beam_items(lm.model, trie, *by_hand, 10)[0]  # type: ignore[arg-type]
    else:
        expected = beam_lists(lm.model, trie, *by_hand, 10, width=3).pois  # type: ignore[arg-type]
    assert made.of("model").tolist() == expected.tolist()
    without = decode_prompts(context(tmp_path), spec(mode), thinker, replace(asked, facts={"chat": "auto"}), IDS)
    assert np.abs(without.table["score"] - made.table["score"]).max() > 1e-3 and without.reasoning.height == 0
    cut = decode_prompts(context(tmp_path), spec(mode, tokens=3), thinker, asked, IDS).reasoning
    assert cut["forced"].all() and set(cut["tokens"]) == {3} and cut["text"][0] and len(cut["text"][0]) < 21


def test_sampled_reasoning_is_one_for_each_prompt(thinker: Policy, tmp_path: Path) -> None:
    asked = replace(prompts(), facts={"reasoning": True, "chat": "auto"})

    def texts(**changes: Any) -> list[str]:
        chosen = spec(**{"tokens": 12, "temperature": 8.0} | changes)
        return decode_prompts(context(tmp_path), chosen, thinker, asked, IDS).reasoning["text"].to_list()

    once = texts(batch=1)
    assert len(set(once)) > 3 and texts(batch=64) == once and texts(seed=1) != once


def test_reasoning_is_stored_and_counted_by_split(tmp_path: Path) -> None:
    ranks = pl.DataFrame({"method": "model", "query": [0, 1, 2, 3], "rank": [1.0] * 4}, schema=RANKS)
    said = [("model", 0, "a", 5, False), ("model", 1, None, 0, False), ("model", 2, "b", 10, True)]
    thoughts = pl.DataFrame(said, schema=REASONING, orient="row")
    made = Predictions(pl.DataFrame(schema=TABLE_OF_LISTS), ranks, {}, thoughts)
    made.save(tmp_path)
    read = Method(Predictions.load(tmp_path), "model")
    assert read.predictions.reasoning.equals(thoughts)
    assert reasoning_figures(read, np.array([0, 1])) == {"tokens": 2.5, "closed_by_force": 0.0, "without": 0.5}
    assert reasoning_figures(read, np.array([2])) == {"tokens": 10.0, "closed_by_force": 1.0, "without": 0.0}
    assert reasoning_figures(read, np.array([3])) == {} == reasoning_figures(Method(made, "other"), np.array([0]))


def test_no_prompts_no_crash(policy: Policy, tmp_path: Path) -> None:
    full = prompts()
    none = Prompts(full.table.filter(pl.col("split") == 0), full.streams, full.words, full.id_tokens, 10, {})
    made = decode_prompts(context(tmp_path), spec(), policy, none, IDS)
    assert made.table.height == made.ranks.height == 0
