"""Scores of a catalogue's tokens from the head of an adapted model: their rows gathered first, and by the whole head.

    OMP_NUM_THREADS=1 python benchmarks/head.py [WIDTH]

Random weights, 151,936 words as Qwen3 has, one layer, tied embeddings, 800 new tokens at the end, 16 hidden states;
process time of one thread, median of 5, no gradients.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from refinepoi.decoding.head import causal_model, head_of
from refinepoi.model.adapter import apply_lora
from refinepoi.model.spec import Lora

WORDS, NEW, STATES = 151_936, 800, 16


def milliseconds(work: Callable[[], torch.Tensor]) -> float:
    work()
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def main() -> None:
    width = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    tokens = list(range(WORDS - NEW, WORDS))
    vocabulary, hidden = torch.tensor(tokens), torch.randn(STATES, width, generator=torch.Generator().manual_seed(0))
    for kept in ("rows", "matrices"):
        config = Qwen3Config(
            vocab_size=WORDS, hidden_size=width, num_hidden_layers=1, num_attention_heads=8, num_key_value_heads=2,
            head_dim=64, intermediate_size=64, tie_word_embeddings=True,
        )  # fmt: skip
        lora = Lora(kind="lora", rank=2, alpha=2.0, dropout=0.0, targets=("q_proj",), new_tokens=kept)
        model = apply_lora(Qwen3ForCausalLM(config), lora, tokens)
        head = causal_model(model).get_output_embeddings()
        with torch.no_grad():
            few, whole = head_of(model, vocabulary)(hidden), head(hidden)[..., vocabulary]
            gathered = milliseconds(lambda: head_of(model, vocabulary)(hidden))  # noqa: B023
            computed = milliseconds(lambda: head(hidden)[..., vocabulary])  # noqa: B023
        apart = float((few - whole).abs().max())
        print(f"{kept}, width {width}: gathered {gathered:.2f} ms, whole head {computed:.1f} ms, apart by {apart:.0e}")


if __name__ == "__main__":
    main()
