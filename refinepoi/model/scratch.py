"""A small Qwen3 or Llama with random weights, sized by the settings and the vocabulary of the prompts."""

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, Qwen3Config
from transformers import Qwen3ForCausalLM as Qwen3

from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.model.copying import offsets, start_copying
from refinepoi.model.field import has_map
from refinepoi.model.rows import draw_on_the_map
from refinepoi.model.spec import ScratchModel
from refinepoi.model.tokenizer import id_token_numbers, word_tokenizer

SPARE = 64  # positions beyond prompt and answer: reasoning is not for these models
SOME = 100  # prompts that tell how far apart IDs stand


def build_scratch(
    spec: ScratchModel, prompts: Prompts, semantic_ids: SemanticIds
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Float32 weights drawn from torch's generator; with `id_init=som` those of ID tokens as `field.py` says."""
    longest = _power_of_two(prompts.facts["budget"] + prompts.facts["longest_answer"] + SPARE)
    tokenizer = word_tokenizer(prompts.words, prompts.id_tokens, longest)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": spec.hidden,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "head_dim": spec.hidden // spec.heads,
        "intermediate_size": spec.intermediate,
        "tie_word_embeddings": spec.tie,
        "initializer_range": spec.init,
        "max_position_embeddings": longest,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "attn_implementation": "sdpa",
        "dtype": "float32",
        "rope_parameters": {"rope_type": "default", "rope_theta": spec.rope_theta},
    }
    qwen3 = spec.architecture == "qwen3"
    model = Qwen3(Qwen3Config(**settings)) if qwen3 else LlamaForCausalLM(LlamaConfig(**settings))
    numbers = id_token_numbers(tokenizer, semantic_ids.tokens)
    if spec.id_init == "som" and has_map(semantic_ids, "random"):
        draw_on_the_map(model, numbers, spec.init, semantic_ids, spec.seed)
    if spec.start == "copying":
        start_copying(model, offsets(tokenizer(prompts.table["prompt"].head(SOME).to_list())["input_ids"], numbers))
    return model, tokenizer


def _power_of_two(length: int) -> int:
    return 1 << max(length - 1, 1).bit_length()
