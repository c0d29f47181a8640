"""Small causal LM folders, as a pretrained model comes in: byte-level BPE, a chat template; random weights, or weights
that write one known text."""

from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.decoders import ByteLevel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

TEXTS = ["Now it is Tuesday. List the most likely next places, best first.", "Visits of this trip: Coffee Shop, Bar"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def byte_tokenizer(texts: list[str], vocabulary: int = 400) -> PreTrainedTokenizerFast:
    """Byte-level BPE learned from `texts`; ends with `<|im_end|>`."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet))
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", bos_token="<|bos|>")
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    return made


def thinking_folder(path: Path, text: str, closes: bool = True) -> Path:
    """A Qwen3 that reasons in one known way: after a chat prompt it writes `<think>`, `text`, `</think>`, the end.

    Its layers add nothing, so the next token follows from the last one alone. closes: whether it ever comes to the
    closing mark; where it does not, it says its text again and again.
    """
    tokenizer = byte_tokenizer([*TEXTS, *[text] * 50])
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(path)
    words = tokenizer(text)["input_ids"]
    first, opening, closing, end = tokenizer.convert_tokens_to_ids(["Ċ", "<think>", "</think>", "<|im_end|>"])
    chain = [first, opening, *words, *([closing, end] if closes else [words[0]])]
    assert len(set(chain[:-1])) == len(chain) - 1, "the next token must follow from the last one"
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=64, tie_word_embeddings=False, max_position_embeddings=4096,
        initializer_range=0.02,
    )  # fmt: skip
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        known = model.model.norm(model.model.embed_tokens.weight)
        for last, following in pairwise(chain):
            model.lm_head.weight[following] += known[last] / 4
    model.save_pretrained(path)
    return path


def model_folder(path: Path, template: str | None = CHATML, hidden: int = 32) -> Path:
    tokenizer = byte_tokenizer(TEXTS)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=hidden, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, intermediate_size=2 * hidden, tie_word_embeddings=True,
        max_position_embeddings=4096, initializer_range=0.05,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(path)
    return path
