from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.errors import UserError
from refinepoi.model.tokenizer import SPECIALS, add_id_tokens, id_token_numbers, prepare_foreign, word_tokenizer
from refinepoi.prompt.pieces import token_count

WORDS = ("answer", "d1", "h9")
IDS = ("<A_0,0>", "<A_0,1>", "<B_0,0>")


def test_ids_are_specials_then_words_then_id_tokens() -> None:
    tokenizer = word_tokenizer(WORDS, IDS, 64)
    assert tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))) == [*SPECIALS, *WORDS, *IDS]
    assert tokenizer.padding_side == "left"


@pytest.mark.parametrize(
    "text", ["d1 h9 answer <A_0,0><B_0,0><A_0,1><B_0,0>", "<A_0,1>d1<B_0,0>", "  d1\n h9 ", "", "<A_0,0><A_0,0>"]
)
def test_a_token_is_a_word_or_an_id_token(text: str) -> None:
    tokenizer = word_tokenizer(WORDS, IDS, 64)
    numbers = tokenizer(text).input_ids
    assert len(numbers) == token_count(text) and tokenizer.unk_token_id not in numbers
    assert tokenizer.decode(numbers).split() == text.replace("<", " <").replace(">", "> ").split()


def test_decoding_keeps_id_tokens_and_drops_specials() -> None:
    tokenizer = word_tokenizer(WORDS, IDS, 64)
    numbers = tokenizer("<A_0,0><B_0,0>").input_ids
    text = tokenizer.decode([tokenizer.pad_token_id, *numbers, tokenizer.eos_token_id], skip_special_tokens=True)
    assert text.replace(" ", "") == "<A_0,0><B_0,0>"


def test_unknown_words_are_one_unknown_token() -> None:
    tokenizer = word_tokenizer(WORDS, IDS, 64)
    assert tokenizer("d1 nothing h9").input_ids == [5, tokenizer.unk_token_id, 6]


def test_words_that_read_like_specials_or_repeat_are_refused() -> None:
    for words in (("d1", "<eos>"), ("d1", "d1")):
        with pytest.raises(UserError, match="repeated or reads like a special token"):
            word_tokenizer(words, IDS, 64)


def test_foreign_tokenizers_keep_ids_whole(prompts: Prompts, folder: Callable[..., Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder("qwen3", True))
    before = len(tokenizer)
    prepare_foreign(tokenizer, prompts.id_tokens, "somewhere")
    assert len(tokenizer) == before + len(prompts.id_tokens) + 1
    assert tokenizer.pad_token == "<pad>" != tokenizer.eos_token and tokenizer.padding_side == "left"
    text = "Now <A_0,1><B_2,2>is"
    numbers = tokenizer(text).input_ids
    assert id_token_numbers(tokenizer, ("<A_0,1>", "<B_2,2>")) == [n for n in numbers if n >= before]
    assert tokenizer.decode(numbers, skip_special_tokens=True) == text
    add_id_tokens(tokenizer, prompts.id_tokens)
    assert len(tokenizer) == before + len(prompts.id_tokens) + 1


def test_missing_id_tokens_are_named(prompts: Prompts) -> None:
    tokenizer = word_tokenizer(WORDS, IDS, 64)
    with pytest.raises(UserError, match=r"no token <A_2,2> \(1 semantic-ID tokens missing\)"):
        id_token_numbers(tokenizer, ["<A_0,0>", "<A_2,2>"])


def test_a_tokenizer_without_an_end_is_refused(prompts: Prompts, folder: Callable[..., Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder("qwen3", True))
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        prepare_foreign(tokenizer, prompts.id_tokens, "somewhere")
