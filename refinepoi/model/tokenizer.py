"""Tokenizers: words and semantic-ID tokens for models from scratch, ID tokens added to any other.

ID tokens are added tokens that are not special, so that no tokenizer cuts or merges them and decoding keeps them.
"""

import re
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from refinepoi.core.errors import UserError

ID_TOKEN = re.compile(r"<[A-Z]_\d+,\d+>")
PAD, BOS, EOS, UNK = SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


def word_tokenizer(words: Sequence[str], id_tokens: Sequence[str], longest: int) -> PreTrainedTokenizerFast:
    """One token a blank-separated word. Ids: specials, words in order, ID tokens in order. Adds no token by itself."""
    vocabulary = {token: number for number, token in enumerate([*SPECIALS, *words])}
    if len(vocabulary) < len(SPECIALS) + len(words):
        raise UserError("prompts: a word is repeated or reads like a special token")
    core = Tokenizer(WordLevel(vocabulary, unk_token=UNK))
    core.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="left",
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
    )
    add_id_tokens(tokenizer, id_tokens)
    return tokenizer


def is_word_tokenizer(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether it is one of ours, which reads every word it does not know alike."""
    return isinstance(getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None), WordLevel)


def add_id_tokens(tokenizer: PreTrainedTokenizerBase, id_tokens: Sequence[str]) -> None:
    """Add what is missing; order is kept. Does nothing to a tokenizer that has them all."""
    known = tokenizer.get_vocab()
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in id_tokens if t not in known])


def prepare_foreign(tokenizer: PreTrainedTokenizerBase, id_tokens: Sequence[str], path: str) -> None:
    """Make a pretrained tokenizer fit for training on IDs: an end, a padding token of its own, padding on the left."""
    if tokenizer.eos_token is None:
        raise UserError(f"model.path: the tokenizer in {path} has no end-of-sequence token")
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": PAD})  # not the end token: padding must never hide an end
    tokenizer.padding_side = "left"
    add_id_tokens(tokenizer, id_tokens)


def added_numbers(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of what was added to a pretrained tokenizer: semantic-ID tokens, and the padding token where it had none."""
    ours = (n for token, n in tokenizer.get_vocab().items() if ID_TOKEN.fullmatch(token) or token == PAD)
    return sorted(ours)


def id_token_numbers(tokenizer: Any, id_tokens: Sequence[str]) -> list[int]:
    """Tokenizer ids of the ID tokens, in order. Raises where one is missing."""
    numbers = tokenizer.convert_tokens_to_ids(list(id_tokens))
    missing = [t for t, n in zip(id_tokens, numbers, strict=True) if n is None or n == tokenizer.unk_token_id]
    if missing:
        raise UserError(f"tokenizer: has no token {missing[0]} ({len(missing)} semantic-ID tokens missing)")
    return numbers
