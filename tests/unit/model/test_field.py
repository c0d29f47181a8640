"""Neighbouring cells of a grid start with neighbouring embeddings, in every kind of model, and no others do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from models import pretrained, scratch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.core.seeding import generator
from refinepoi.model.field import OWN, smooth, token_field
from refinepoi.model.load import build
from refinepoi.model.tokenizer import id_token_numbers

GRIDS = ((6, 6), (4, 8))


def places(rows: int, columns: int) -> npt.NDArray[np.float64]:
    return np.stack(np.divmod(np.arange(rows * columns), columns), 1).astype(float)


def agreement(vectors: npt.NDArray[Any], grids: Sequence[tuple[int, int]] = GRIDS) -> list[float]:
    """Spearman correlation of distance on the grid and distance of vectors, for each level."""
    found, start = [], 0
    for rows, columns in grids:
        level = vectors[start : start + rows * columns]
        found.append(float(spearmanr(pdist(places(rows, columns)), pdist(level)).statistic))
        start += rows * columns
    return found


@pytest.fixture(scope="module")
def ids() -> SemanticIds:
    return SemanticIds(np.array([[0, 0], [35, 31]], np.int32), GRIDS, "nearest_free")


@pytest.fixture(scope="module")
def asked(ids: SemanticIds) -> Prompts:
    table, text = pl.DataFrame(schema=TABLE), pl.DataFrame(schema=STREAMS)
    return Prompts(table, text, ("answer", "d1"), ids.tokens, 2, {"budget": 40, "longest_answer": 4})


def test_variance_and_correlation_are_as_stated() -> None:
    cells = smooth(8, 8, 20_000, OWN, generator(0, "field"))
    assert np.allclose(cells.var(1), 1, atol=0.04) and np.allclose(cells.mean(1), 0, atol=0.03)
    expected = (1 - OWN) * np.exp(-((places(8, 8)[:, None] - places(8, 8)) ** 2).sum(-1) / (2 * 2.0**2))
    np.fill_diagonal(expected, 1)
    assert np.abs(np.corrcoef(cells) - expected).max() < 0.06


def test_levels_are_drawn_apart(ids: SemanticIds) -> None:
    field = token_field(ids, 20_000, generator(0, "field"))
    assert field.shape == (len(ids.tokens), 20_000)
    assert np.abs(np.corrcoef(field)[:36, 36:]).max() < 0.05


def test_on_a_torus_opposite_edges_are_neighbours() -> None:
    ring = smooth(8, 8, 20_000, OWN, generator(0, "field"), torus=True)
    assert np.allclose(ring.var(1), 1, atol=0.04)
    correlation = np.corrcoef(ring)
    assert abs(correlation[0, 7] - correlation[0, 1]) < 0.03 and correlation[0, 7] > 0.6
    torus = replace(SemanticIds(np.array([[0]], np.int32), ((8, 8),), "none"), report={"topology": "toroidal"})
    assert np.corrcoef(token_field(torus, 20_000, generator(0, "field")))[0, 7] > 0.6


def test_codes_without_a_map_have_no_neighbours(
    asked: Prompts, ids: SemanticIds, folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    codes = replace(ids, report={"quantizer": "kmeans", "topology": "rectangular"})
    for spec, other in (
        (pretrained(folder("llama", True)), "mean"),
        (scratch(), "random"),
    ):
        one, two = (build(s, asked, codes) for s in (spec, spec.model_copy(update={"id_init": other})))
        rows, same = (lm.model.get_input_embeddings().weight for lm in (one, two))  # type: ignore[operator]
        assert rows.equal(same)
        assert f"som needs a map, and quantizer=kmeans has none; taken as {other}" in caplog.text


def test_suffixes_that_only_count_are_no_neighbours() -> None:
    ids = SemanticIds(np.array([[0, 0], [0, 1]], np.int32), ((6, 6), (1, 30)), "suffix")
    smooth_level, counting = agreement(token_field(ids, 64, generator(0, "field")), ids.grids)
    assert smooth_level > 0.6 and abs(counting) < 0.2


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "scratch"])
def test_models_start_on_the_map(
    asked: Prompts, ids: SemanticIds, folder: Callable[..., Path], kind: str, tie: bool
) -> None:
    for id_init in ("som", "random") if kind == "scratch" else ("som", "random", "mean"):
        spec: Any = scratch(tie=tie, id_init=id_init) if kind == "scratch" else pretrained(
            folder(kind, tie), id_init=id_init
        )  # fmt: skip
        lm = build(spec, asked, ids)
        numbers = id_token_numbers(lm.tokenizer, ids.tokens)
        for module in (lm.model.get_input_embeddings(), lm.model.get_output_embeddings()):  # type: ignore[operator]
            rows = module.weight.detach().numpy()
            correlations = agreement(rows[numbers])
            others = np.delete(rows, numbers, 0)[4:260]  # 4: special tokens and words of the one from scratch
            reference = 0.3 if kind == "scratch" else others.std(0).mean()
            spread = rows[numbers].std() / reference
            if id_init == "mean":
                assert spread < 0.2
            else:
                assert abs(spread - 1) < 0.25  # as large as what the model knows
            if id_init == "som":
                assert min(correlations) > 0.5
            else:
                assert np.abs(correlations).max() < 0.3


def test_tokens_that_the_model_knows_stay_as_they_are(
    asked: Prompts, ids: SemanticIds, folder: Callable[..., Path], tmp_path: Path
) -> None:
    from refinepoi.model.load import save

    first = build(pretrained(folder("llama", True)), asked, ids)
    save(first, tmp_path)
    again = build(pretrained(tmp_path, seed=5), asked, ids)
    one, two = (lm.model.get_input_embeddings().weight for lm in (first, again))  # type: ignore[operator]
    assert one.equal(two)
