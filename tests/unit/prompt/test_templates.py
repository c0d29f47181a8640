"""What all templates promise: causality, the budget, the vocabulary, the answer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from prompt_specs import MIXED, SHARES, SPECS, change, write

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.prompt.memory import POLICIES
from refinepoi.prompt.parse import parse_answer
from refinepoi.prompt.pieces import token_count, words_of

TEMPLATES = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def scramble_future(t: Trajectories, query: int, keep_target_time: bool) -> Trajectories:
    """Other places and other local clocks for every visit at or after the target of `query`; utc stays in order."""
    rng = np.random.default_rng(1)
    row = t.queries["row"][query]
    future = t.checkins["utc"].to_numpy() >= t.checkins["utc"][row]
    poi, local = t.checkins["poi"].to_numpy().copy(), t.checkins["local"].to_numpy().copy()
    poi[future] = rng.permutation(t.pois.height)[poi[future]]
    clock = local[row]
    local[future] += rng.integers(0, 86400 * 7, future.sum())
    if keep_target_time:
        local[row] = clock
    checkins = t.checkins.with_columns(pl.Series("poi", poi, pl.Int32), pl.Series("local", local, pl.Int64))
    targets = poi[t.queries["row"].to_numpy()]
    queries = t.queries.with_columns(pl.Series("target", targets, pl.Int32))
    return Trajectories(checkins, t.pois, t.users, queries, t.facts)


@TEMPLATES
@pytest.mark.parametrize("target_time", ["known", "hidden"])
@pytest.mark.parametrize("history", ["all", "train_prefix"])
def test_nothing_at_or_after_the_target_enters(
    make_world: Callable[..., Any], spec: Any, history: str, target_time: str
) -> None:
    world = make_world(history=history, target_time=target_time)
    before = write(spec, world).table["prompt"]
    for query in (3, 25, int(world.trajectories.query_rows("test")[-1])):
        twin = scramble_future(world.trajectories, query, keep_target_time=target_time == "known")
        assert write(spec, world, trajectories=twin).table["prompt"][query] == before[query]


@TEMPLATES
def test_the_past_does_enter(world: Any, spec: Any) -> None:
    query = int(world.trajectories.query_rows("test")[-1])
    before = write(spec, world).table["prompt"]
    twin = scramble_future(world.trajectories, 0, keep_target_time=False)
    assert write(spec, world, trajectories=twin).table["prompt"][query] != before[query]


@TEMPLATES
@pytest.mark.parametrize("squeeze", [0, 15, 30])
def test_prompts_stay_within_the_budget_and_say_what_went(world: Any, spec: Any, squeeze: int) -> None:
    prompts = write(change(spec, budget=spec.budget - squeeze), world)
    lengths = [token_count(text) for text in prompts.table["prompt"]]
    assert max(lengths) <= spec.budget - squeeze
    shown = prompts.facts["shown"]
    assert shown["test"]["tokens_max"] == max(
        n for n, split in zip(lengths, prompts.table["split"], strict=True) if split == 2
    )
    roomy = write(change(spec, budget=10_000), world)
    for split, row in shown.items():
        all_ = roomy.facts["shown"][split]
        assert all_["dropped_visits"] == all_["dropped_candidates"] == all_["prompts_shortened"] == 0
        for what in ("visits", "candidates"):
            kept = row[f"{what}_mean"] * row["prompts"]
            assert kept + row[f"dropped_{what}"] == pytest.approx(all_[f"{what}_mean"] * row["prompts"], abs=0.5)
    if squeeze == 30:
        assert shown["test"]["prompts_shortened"] > 0


@TEMPLATES
def test_a_budget_below_the_frame_is_refused(world: Any, spec: Any) -> None:
    with pytest.raises(UserError, match=r"prompt\.budget: 3 tokens, but an empty prompt has \d+"):
        write(change(spec, budget=3), world)


@TEMPLATES
def test_the_vocabulary_covers_every_text(world: Any, spec: Any) -> None:
    prompts = write(spec, world)
    texts = [*prompts.table["prompt"], *prompts.table["answer"], *prompts.streams["text"]]
    assert {word for text in texts for word in words_of(text)} <= set(prompts.words)
    assert list(prompts.words) == sorted(set(prompts.words))
    assert prompts.id_tokens == world.semantic_ids.tokens


@TEMPLATES
def test_answers_are_lists_of_distinct_places_with_the_target_first(world: Any, spec: Any) -> None:
    prompts = write(spec, world)
    for answer, target in prompts.table.select("answer", "target").iter_rows():
        read = parse_answer(answer, world.semantic_ids)
        assert read.whole and read.items[0] == target
        assert len(read.items) == len(set(read.items)) == spec.list_length


@TEMPLATES
def test_all_queries_are_written_in_order(world: Any, spec: Any) -> None:
    table = write(spec, world).table
    queries = world.trajectories.queries
    assert table["query"].to_list() == list(range(queries.height))
    assert (table["split"] == queries["split"]).all() and (table["target"] == queries["target"]).all()


@TEMPLATES
def test_settings_change_the_prompts(world: Any, spec: Any) -> None:
    """Every knob matters."""
    spec = change(spec, budget=spec.budget + 60 * (spec.kind == "question"))
    base = write(spec, world)
    changes: list[dict[str, Any]] = [
        {"memory": MIXED.model_dump() | {"policy": policy, "visits": 4}} for policy in (*POLICIES, "mixed")
    ] + [
        {"memory": MIXED.model_dump() | {"visits": 1}},
        {"budget": spec.budget - (100 if spec.kind == "question" else 20)},
    ]
    changes += [{"memory": MIXED.model_dump() | {"shares": SHARES.model_dump() | {"category": 9.0}}}]
    if spec.kind != "compact":
        changes += [{"candidates": 3}, {"bins": 3}, {"counters": ("popularity",)}, {"order": "shuffled"}]
        changes += [{"order": "shuffled", "seed": 1}]
    if spec.kind == "question":
        changes += [{"reasoning": True}, {"candidates": 0}, {"categories": False}, {"distances": False}]
    tables = [base.table] + [write(change(spec, **values), world).table for values in changes]
    for n, one in enumerate(tables):
        for other in tables[n + 1 :]:
            assert not one["prompt"].equals(other["prompt"])
    assert not write(change(spec, list_length=3), world).table["answer"].equals(base.table["answer"])


@TEMPLATES
def test_a_hidden_target_time_leaves_no_trace(make_world: Callable[..., Any], spec: Any) -> None:
    """Prompts with a hidden target time are the same whenever the target happens."""
    world = make_world(target_time="hidden")
    t = world.trajectories
    row = t.queries["row"].to_numpy()
    last_of_all = int(t.query_rows("test")[-1])
    later = t.checkins.with_row_index("n").with_columns(
        pl.when(pl.col("n") == row[last_of_all]).then(pl.col("local") + 5 * 3600).otherwise("local").alias("local")
    )
    twin = Trajectories(later.drop("n"), t.pois, t.users, t.queries, t.facts)
    hidden = write(spec, world).table["prompt"][last_of_all]
    assert write(spec, world, trajectories=twin).table["prompt"][last_of_all] == hidden
    known = make_world(target_time="known")
    before = write(spec, known).table["prompt"][last_of_all]
    assert before != hidden
    assert write(spec, known, trajectories=twin).table["prompt"][last_of_all] != before


@TEMPLATES
def test_written_twice_reads_the_same(world: Any, spec: Any, tmp_path: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(spec, world).save(tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == [
        "alignment.parquet",
        "facts.json",
        "layout.parquet",
        "profiles.parquet",
        "streams.parquet",
        "table.parquet",
    ]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    loaded = Prompts.load(tmp_path / "one")
    assert loaded.table.equals(write(spec, world).table) and loaded.facts["template"] == spec.kind


def test_inputs_of_different_data_are_refused(world: Any) -> None:
    e, ids = world.evidence, world.semantic_ids
    short = Evidence(e.candidates[1:], e.counters[1:], e.names, e.context[1:], e.context_names, e.facts)
    with pytest.raises(ValueError, match="evidence of"):
        write(SPECS["evidence"], world, evidence=short)
    with pytest.raises(ValueError, match="semantic IDs of"):
        write(SPECS["evidence"], world, semantic_ids=SemanticIds(ids.codes[1:], ids.grids, "none"))


def test_unknown_counters_are_refused(world: Any) -> None:
    with pytest.raises(UserError, match=r"prompt\.counters"):
        write(change(SPECS["evidence"], counters=("user_cuont",)), world)


@pytest.mark.parametrize("target_time", ["known", "hidden"])
def test_streams_hold_every_training_visit_once_and_no_other(make_world: Callable[..., Any], target_time: str) -> None:
    world = make_world(target_time=target_time)
    streams = write(SPECS["compact"], world).streams["text"]
    train = world.trajectories.checkins.filter(pl.col("split") == 0)
    visits = train.sort("user", "utc", maintain_order=True)["poi"].to_list()
    read = [item for text in streams for item in parse_answer(text, world.semantic_ids).items]
    assert read == visits
    assert max(token_count(text) for text in streams) <= SPECS["compact"].budget


def test_only_training_queries_fit_the_bins(world: Any) -> None:
    e, train = world.evidence, world.trajectories.query_rows("train")
    counters = e.counters.copy()
    counters[train.max() + 1 :] *= 7
    twin = Evidence(e.candidates, counters, e.names, e.context, e.context_names, e.facts)
    one, other = (write(SPECS["evidence"], world, evidence=evidence) for evidence in (e, twin))
    assert one.facts["counters"] == other.facts["counters"]
    assert one.table["prompt"][: len(train)].equals(other.table["prompt"][: len(train)])
    assert not one.table["prompt"].equals(other.table["prompt"])


def test_shuffled_candidates_keep_their_counters(world: Any) -> None:
    def candidates(text: str) -> list[list[str]]:
        words = text.partition(" list ")[2].split()[:-1]
        return [words[n : n + 3] for n in range(0, len(words), 3)]

    ranked = write(SPECS["evidence"], world).table["prompt"]
    shuffled = write(change(SPECS["evidence"], order="shuffled"), world).table["prompt"]
    moved = 0
    for one, other in zip(ranked, shuffled, strict=True):
        assert sorted(candidates(one)) == sorted(candidates(other))
        moved += candidates(one) != candidates(other)
    assert moved > len(ranked) / 2
