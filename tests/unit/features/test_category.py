import numpy as np
import polars as pl

from refinepoi.features.category import bag_matrix, category_names, vocabulary, words


def test_words_are_distinct_lower_case_and_free_of_signs() -> None:
    assert words("Food & Drink Shop / drink") == ["food", "drink", "shop"]
    assert words("Caf\u00e9_Bar (Tapas)") == ["caf\u00e9", "bar", "tapas"]
    assert words("") == []


def test_an_empty_name_falls_back_on_the_id() -> None:
    pois = pl.DataFrame({"category": ["Bar", " ", ""], "category_id": ["a", "b", ""]})
    assert category_names(pois) == ["Bar", "b", ""]


def test_one_column_a_word_and_rows_of_unit_length() -> None:
    bags = [["gift", "shop"], ["shop"], []]
    matrix = bag_matrix(bags, vocabulary(bags), 8)
    half = 0.5**0.5
    np.testing.assert_allclose(matrix, [[half, half], [0, 1], [0, 0]])


def test_a_word_outside_the_vocabulary_has_no_column() -> None:
    assert not bag_matrix([["museum"]], ["bar", "shop"], 8).any()


def test_hashed_columns_depend_on_the_word_alone() -> None:
    names = [[f"category {i}"] for i in range(500)]
    whole = bag_matrix(names, vocabulary(names), 32)
    assert whole.shape == (500, 32)
    np.testing.assert_array_equal(whole[[7, 3]], bag_matrix([names[7], names[3]], vocabulary(names), 32))
    np.testing.assert_allclose((whole**2).sum(1), 1)
    assert (whole != 0).any(0).all() and (whole < 0).any() and (whole > 0).any()
    np.testing.assert_array_equal(np.flatnonzero(bag_matrix([["bar"]], vocabulary(names), 32)[0]), [30])  # golden
