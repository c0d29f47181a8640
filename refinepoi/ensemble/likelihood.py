"""What the policy thinks of each candidate: its exact likelihood as the first place of the answer.

Right after the question, also of a policy that learned to reason first: that one is asked here before it has thought.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.stage import Context
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.score import score_items
from refinepoi.decoding.trie import Trie
from refinepoi.ensemble.spec import LogLinear
from refinepoi.model.load import load
from refinepoi.model.tokenizer import id_token_numbers
from refinepoi.prompt.settle import settle


def policy_likelihoods(
    context: Context, spec: LogLinear, policy: Policy, prompts: Prompts, semantic_ids: SemanticIds, evidence: Evidence
) -> npt.NDArray[np.float32]:
    """Log-likelihood [Q, C] of each query's first C = `spec.candidates`; -inf where there is none, and for training."""
    asked = prompts.table.filter(pl.col("split") != SPLITS.index("train"))
    candidates = evidence.candidates[:, : spec.candidates].astype(np.int64)
    found = np.full(candidates.shape, -np.inf, np.float32)
    language = load(policy.model)
    asked = settle(replace(prompts, table=asked), language.tokenizer).table
    asked = asked.sort(pl.col("prompt").str.len_bytes(), descending=True, maintain_order=True)
    texts, queries = asked["prompt"].to_list(), asked["query"].to_numpy()
    device = context.runtime.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = language.model.to(device)  # type: ignore[arg-type]
    numbers = np.array(id_token_numbers(language.tokenizer, semantic_ids.tokens), np.int64)
    trie = Trie.of(numbers[semantic_ids.token_index]).to(device)
    for start in context.progress(range(0, len(texts), spec.batch)):
        rows = queries[start : start + spec.batch]
        encoded = language.tokenizer(texts[start : start + spec.batch])["input_ids"]
        input_ids, mask = left_padded(encoded, language.tokenizer.pad_token_id, model.device)
        places = torch.from_numpy(candidates[rows]).to(device)
        found[rows] = score_items(model, trie, input_ids, mask, places).cpu().numpy()
    return found
