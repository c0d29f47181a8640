import time
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.prompt.parse import Answer, parse_answer, write_answer

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # shared cores

IDS = SemanticIds(np.array([[0, 0], [0, 1], [5, 6], [15, 15]], np.int32), ((4, 4), (4, 4)), "nearest_free")
DEEP = SemanticIds(np.array([[0, 0, 0], [0, 1, 2]], np.int32), ((4, 4), (4, 4), (1, 3)), "suffix")
A, B, C, D = IDS.texts  # <A_0,0><B_0,0>  <A_0,0><B_0,1>  <A_1,1><B_1,2>  <A_3,3><B_3,3>


@PATIENT
@given(st.lists(st.integers(0, 3), min_size=1, max_size=15), st.none() | st.text().filter(lambda t: "think>" not in t))
def test_parse_is_the_inverse_of_write(pois: list[int], reasoning: str | None) -> None:
    answer = parse_answer(write_answer(pois, IDS, reasoning), IDS)
    assert answer == Answer(tuple(pois), tuple(IDS.texts[p] for p in pois), True, reasoning)


@PATIENT
@given(st.lists(st.integers(0, 1), min_size=1), st.lists(st.sampled_from(["", " ", "\n", "\t "]), min_size=20))
def test_blanks_between_tokens_are_tolerated(pois: list[int], blanks: list[str]) -> None:
    tokens = write_answer(pois, DEEP).replace("><", ">|<").split("|")
    text = "".join(token + blanks[n % len(blanks)] for n, token in enumerate(tokens))
    answer = parse_answer(text, DEEP)
    assert answer.items == tuple(pois) and answer.whole


SCRAPS = st.sampled_from([A, D, "<A_0,0>", "<B_1,1>", "<C_0,0>", "<think>", "</think>", " x "])


@PATIENT
@given(st.text() | st.lists(SCRAPS).map("".join))
def test_any_text_parses(text: str) -> None:
    answer = parse_answer(text, IDS)
    assert len(answer.items) == len(answer.texts)
    assert all(-1 <= item < 4 for item in answer.items)
    if answer.whole and answer.reasoning is None:
        assert "".join(text.split()) == "".join(answer.texts)


@pytest.mark.parametrize(
    ("text", "items", "whole"),
    [
        ("", (), False),
        ("   ", (), False),
        ("no list here", (), False),
        (A + B, (0, 1), True),
        (f"  {A} \n {B}\n", (0, 1), True),
        (A + A, (0, 0), True),  # repetition is for the rewards to judge
        (f"1. {A}", (0,), False),
        (f"{A}, {B}", (0, 1), False),
        (A + "<A_0,2><B_0,0>", (0, -1), True),  # well written, not in the catalogue
        (A + "<A_0,00><B_0,0>", (0, -1), True),  # not how the ID is written
        (A + "<A_1,1>", (0, -1), False),  # cut short
        ("<B_0,0>" + A, (-1, 0), False),  # starts in the middle
        ("<A_0,0><A_0,0><B_0,1>", (-1, 1), False),
        ("<A_0,0><C_0,0><B_0,0>", (-1, -1, -1), False),
        ("<B_0,0><B_0,1>", (-1, -1), False),
        ("<A_0,0>x<B_0,0>", (-1, -1), False),
        ("<A_-1,0><B_0,0>", (-1,), False),
        ("<a_0,0><B_0,0>", (-1,), False),
        ("<A_0,0" + "><B_0,0>", (0,), True),
    ],
)
def test_hand_worked_lists(text: str, items: tuple[int, ...], whole: bool) -> None:
    answer = parse_answer(text, IDS)
    assert (answer.items, answer.whole) == (items, whole)


@pytest.mark.parametrize(
    ("text", "items", "whole", "reasoning"),
    [
        (f"<think>why {C}</think>{A}", (0,), True, f"why {C}"),
        (f"\n<think></think>\n\n{A}", (0,), True, ""),
        (f"why</think>{A}", (0,), True, "why"),  # the chat template opened the block
        (f"well <think>why</think>{A}", (0,), False, "why"),
        (f"<think>a</think>{B}<think>c</think>{A}", (0,), False, f"a</think>{B}<think>c"),
        (f"<think>{A}{B}", (), False, f"{A}{B}"),  # never closed: no list was given
        (f"{A}<think>{B}", (), False, B),
        (f"<think>why</think>{A} I am sure", (0,), False, "why"),
        ("<think>why</think>", (), False, "why"),
    ],
)
def test_reasoning_is_no_part_of_the_list(text: str, items: tuple[int, ...], whole: bool, reasoning: str) -> None:
    assert parse_answer(text, IDS) == Answer(items, tuple(IDS.texts[i] for i in items), whole, reasoning)


def test_valid_leaves_out_what_is_not_in_the_catalogue() -> None:
    assert parse_answer(A + "<A_0,2><B_0,0>" + B, IDS).valid == (0, 1)


def test_pois_that_share_an_id_are_read_as_the_first() -> None:
    shared = SemanticIds(np.array([[1], [0], [1]], np.int32), ((1, 2),), "none")
    assert parse_answer("<A_0,1><A_0,0><A_0,1>", shared).items == (0, 1, 0)


@pytest.mark.parametrize("unit", ["<think>", "</think>", "<A_0,0>", "<", "<A_1,", "0", " ", A])
def test_time_grows_linearly(unit: str) -> None:
    start = time.process_time()
    parse_answer(unit * (400_000 // len(unit)), IDS)
    assert time.process_time() - start < 2


def test_answer_is_immutable() -> None:
    with pytest.raises(AttributeError):
        typing.cast(typing.Any, parse_answer(A, IDS)).whole = False
