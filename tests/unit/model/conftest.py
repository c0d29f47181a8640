"""Prompts of a few words and model folders made here, with random weights: nothing is downloaded."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen3Config
from transformers import Qwen3ForCausalLM as Qwen3

from refinepoi.artifacts.prompts import STREAMS, TABLE, Prompts

ID_TOKENS = tuple(f"<{letter}_{row},{column}>" for letter in "AB" for row in range(3) for column in range(3))
TEXT = "d1 h9 g2 <A_0,1><B_2,2> a3 answer"
ANSWER = "<A_0,1><B_2,2><A_1,1><B_0,0>"


@pytest.fixture(scope="session")
def prompts() -> Prompts:
    words = ("a0", "a3", "answer", "d1", "g2", "h9")
    table = pl.DataFrame(
        {"query": [0], "split": [0], "prompt": [TEXT], "answer": [ANSWER], "target": [0]}, schema=TABLE
    )
    facts = {"budget": 40, "longest_answer": 4}
    return Prompts(table, pl.DataFrame(schema=STREAMS), words, ID_TOKENS, 2, facts)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder as a pretrained model comes in: byte-level BPE, spare embedding rows, sampling recommended."""
    made: dict[tuple[str, bool], Path] = {}

    def make(architecture: str, tie: bool) -> Path:
        if (architecture, tie) not in made:
            made[architecture, tie] = _make(architecture, tie, tmp_path_factory.mktemp(f"{architecture}-{tie}"))
        return made[architecture, tie]

    return make


def _make(architecture: str, tie: bool, path: Path) -> Path:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(["Now it is Tuesday, list places"] * 3, trainers.BpeTrainer(initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
    tokenizer.save_pretrained(path)
    settings = {
        "vocab_size": len(tokenizer) + 7, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "tie_word_embeddings": tie,
        "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3(Qwen3Config(**settings)) if architecture == "qwen3" else LlamaForCausalLM(LlamaConfig(**settings))
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.95, top_k=20)
    model.save_pretrained(path)
    return path
