"""Prompts of a few words and model folders made here, with random weights: nothing is downloaded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds

ID_TOKENS = tuple(f"<{letter}_{row},{column}>" for letter in "AB" for row in range(3) for column in range(3))
TEXT = "d1 h9 g2 <A_0,1><B_2,2> a3 answer"
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ANSWER = "<A_0,1><B_2,2><A_1,1><B_0,0>"


@pytest.fixture(scope="session")
def prompts() -> Prompts:
    words = ("a0", "a3", "answer", "d1", "g2", "h9")
    table = pl.DataFrame(
        {"query": [0], "split": [0], "prompt": [TEXT], "answer": [ANSWER], "ranked": [ANSWER], "target": [0]},
        schema=TABLE,
    )
    facts = {"budget": 40, "longest_answer": 4}
    return Prompts(table, pl.DataFrame(schema=STREAMS), words, ID_TOKENS, 2, facts)


@pytest.fixture(scope="session")
def semantic_ids() -> SemanticIds:
    codes = np.array([[1, 8], [4, 0], [2, 2]], np.int32)  # the first two are those of ANSWER
    return SemanticIds(codes, ((3, 3), (3, 3)), "nearest_free", poi_ids=("cafe", "park", "museum"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder as a pretrained model comes in: byte-level BPE, chat template, spare rows, sampling recommended.

    spare: rows beyond the tokenizer's length. 7 are too few for the 19 new tokens, 40 (as in Qwen) are enough.
    """
    made: dict[tuple[str, bool, int], Path] = {}

    def make(architecture: str, tie: bool, spare: int = 7) -> Path:
        key = architecture, tie, spare
        if key not in made:
            made[key] = _make(*key, tmp_path_factory.mktemp(f"{architecture}-{tie}-{spare}"))
        return made[key]

    return make


def _make(architecture: str, tie: bool, spare: int, path: Path) -> Path:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(["Now it is Tuesday, list places"] * 3, trainers.BpeTrainer(initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", chat_template=CHAT)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    tokenizer.save_pretrained(path)
    settings = {
        "vocab_size": len(tokenizer) + spare, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "tie_word_embeddings": tie,
        "initializer_range": 0.3, "max_position_embeddings": 256,
    }  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **settings))
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.95, top_k=20)
    model.save_pretrained(path)
    return path
