"""Reasoning before a list: where a block begins and ends, that it is the model's own text, what is closed by force."""

from pathlib import Path
from typing import Any

import pytest
import torch
from folders import CHATML, byte_tokenizer, model_folder, thinking_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.reasoning import Block, Thought, think
from refinepoi.prompt.parse import CLOSE, OPEN

TEXT = "Gym first, then home."


def tokenizer_of(marks: bool = False) -> Any:
    made = byte_tokenizer([TEXT] * 5)
    made.add_tokens([*([OPEN, CLOSE] if marks else []), "<A_0,1>", "<B_1,0>"])
    return made


WHOLE, SPELLED = tokenizer_of(marks=True), tokenizer_of()


def read(tokenizer: Any, text: str, prompt: str = "Answer:", end: bool = True) -> tuple[Thought, bool]:
    block = Block(tokenizer, tokenizer(prompt)["input_ids"])
    for token in tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] * end:
        block.add(token)
    return block.thought(), block.over


@pytest.mark.parametrize("tokenizer", [WHOLE, SPELLED], ids=["marks are tokens", "marks are spelled"])
@pytest.mark.parametrize(
    ("prompt", "text", "kept", "inside", "forced"),
    [
        ("Answer:", f"{OPEN}{TEXT}{CLOSE}<A_0,1><B_1,0>", f"{OPEN}{TEXT}{CLOSE}", TEXT, False),
        ("Answer:", f"\n{OPEN}\n{TEXT}\n{CLOSE}\n\n<A_0,1>", f"\n{OPEN}\n{TEXT}\n{CLOSE}\n\n", TEXT, False),
        ("Answer:", f"{OPEN}at <A_0,1><B_1,0> now{CLOSE}", f"{OPEN}at <A_0,1><B_1,0> now{CLOSE}",
         "at <A_0,1><B_1,0> now", False),
        ("Answer:", f"{OPEN}{TEXT}", f"{OPEN}{TEXT}{CLOSE}", TEXT, True),
        ("Answer:", f"{OPEN}{CLOSE}<A_0,1>", f"{OPEN}{CLOSE}", "", False),
        ("Answer:", "<A_0,1><B_1,0>", "", None, False),
        ("Answer:", f"Well. {OPEN}{TEXT}{CLOSE}", "", None, False),
        ("Answer:", "", "", None, False),
        (f"Answer: {OPEN}\n", f"{TEXT}{CLOSE}<A_0,1>", f"{TEXT}{CLOSE}", TEXT, False),
        (f"Answer: {OPEN}\n", "<A_0,1>", f"<A_0,1>{CLOSE}", "<A_0,1>", True),
        (f"{OPEN}\n\n{CLOSE}\n\n", TEXT, "", None, False),
    ],
)  # fmt: skip
def test_where_a_block_begins_and_ends(
    tokenizer: Any, prompt: str, text: str, kept: str, inside: str | None, forced: bool
) -> None:
    thought, over = read(tokenizer, text, prompt)
    assert over and tokenizer.decode(thought.tokens) == kept
    assert (thought.text, thought.forced) == (inside, forced)
    own = kept.removesuffix(CLOSE) if forced else kept
    assert thought.written == len(tokenizer(own)["input_ids"])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: CLOSE not in text))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    for tokenizer in (WHOLE, SPELLED):
        thought, _ = read(tokenizer, f"{OPEN}{text}{CLOSE}<A_0,1>")
        assert thought.text == text.strip() and not thought.forced
        assert tokenizer.decode(thought.tokens) == f"{OPEN}{text}{CLOSE}"


def test_what_is_not_over_goes_on() -> None:
    assert not read(WHOLE, "<thi", end=False)[1] and not read(SPELLED, "<thi", end=False)[1]
    assert not read(WHOLE, f"{OPEN}{TEXT}", end=False)[1]
    assert not read(WHOLE, f"{OPEN}{TEXT}{CLOSE}\n\n", end=False)[1]
    assert read(WHOLE, "The", end=False)[1]


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return loaded(thinking_folder(tmp_path_factory.mktemp("thinker"), TEXT))


def loaded(folder: Path) -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def batch(tokenizer: Any, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    tokenizer.chat_template = CHATML
    chats = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        for text in texts
    ]
    return left_padded(tokenizer(chats)["input_ids"], 0, "cpu")


def test_a_model_says_what_it_has_to_say(thinker: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = thinker
    asked = batch(tokenizer, ["Where next?", "And I, after Coffee Shop and Bar?"])
    own = tokenizer(f"{OPEN}{TEXT}{CLOSE}")["input_ids"]
    assert think(model, tokenizer, *asked, 40) == [Thought(own, TEXT, len(own), False)] * 2
    short = think(model, tokenizer, *asked, len(own) - 2)
    assert short == [Thought([*own[:-2], own[-1]], tokenizer.decode(own[1:-2]), len(own) - 2, True)] * 2
    endless, tokenizer = loaded(thinking_folder(tmp_path, TEXT, closes=False))
    (said, _) = think(endless, tokenizer, *asked, 40)
    assert said.forced and said.written == 40 and said.text.startswith(TEXT + TEXT)
    assert tokenizer.decode(said.tokens).endswith(CLOSE) and len(said.tokens) == 41


def test_greedy_text_is_that_of_transformers_and_rows_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A random model in a block that the prompt opens: it never closes one, so all of its text is compared."""
    model, tokenizer = loaded(model_folder(tmp_path))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "proj" in name:
                weight.mul_(10)  # the next token depends on the whole past
    texts = [f"Now it is Tuesday. {OPEN}", f"Coffee {OPEN}", f"Visits of this trip: Coffee Shop, Bar {OPEN}"]
    encoded = tokenizer(texts)["input_ids"]
    together = think(model, tokenizer, *left_padded(encoded, 0, "cpu"), 24)
    assert len({tuple(thought.tokens) for thought in together}) == 3
    for ids, thought in zip(encoded, together, strict=True):
        (alone,) = think(model, tokenizer, *left_padded([ids], 0, "cpu"), 24)
        whole = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False, pad_token_id=0)
        assert (
            alone == thought and thought.tokens[: thought.written] == whole[0, len(ids) :].tolist()[: thought.written]
        )
        assert thought.written > 5


def test_draws_belong_to_their_row(tmp_path: Path) -> None:
    model, tokenizer = loaded(model_folder(tmp_path))
    encoded = tokenizer([f"Now it is Tuesday. {OPEN}", f"Coffee {OPEN}"])["input_ids"]
    draws = torch.rand(2, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = think(model, tokenizer, *left_padded(encoded, 0, "cpu"), 12, temperature=1.0, draws=draws)
    for row in range(2):
        one = left_padded([encoded[row]], 0, "cpu")
        assert think(model, tokenizer, *one, 12, temperature=1.0, draws=draws[row : row + 1]) == [both[row]]
        other = think(model, tokenizer, *one, 12, temperature=1.0, draws=1 - draws[row : row + 1])
        assert other != [both[row]] and think(model, tokenizer, *one, 12) != [both[row]]
    cold = think(model, tokenizer, *left_padded(encoded, 0, "cpu"), 12, temperature=1e-4, draws=draws)
    assert cold == think(model, tokenizer, *left_padded(encoded, 0, "cpu"), 12)


def test_broken_weights_are_told(thinker: tuple[Any, Any]) -> None:
    model, tokenizer = thinker
    asked = batch(tokenizer, ["Where next?"])
    weight = model.lm_head.weight[5, 3].item()
    with torch.no_grad():
        model.lm_head.weight[5, 3] = torch.nan
        with pytest.raises(FloatingPointError, match="not finite"):
            think(model, tokenizer, *asked, 4)
        model.lm_head.weight[5, 3] = weight
