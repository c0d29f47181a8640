"""A small causal LM folder with random weights, as a pretrained model comes in: byte-level BPE, a chat template."""

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
