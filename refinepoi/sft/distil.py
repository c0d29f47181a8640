"""Lists to learn from: the model's own likeliest places, by constrained beams over the catalogue.

The first phase teaches which place comes next; its probabilities rank all places, but the model has not yet learned to
write that ranking as one list. Here its own ranking becomes the list (self-distillation; ours).
"""

from collections.abc import Sequence

import numpy as np
import torch

from refinepoi.core.stage import Context
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.model.load import LanguageModel, device_of


def own_lists(
    context: Context, language: LanguageModel, trie: Trie, prompts: Sequence[str], k: int, batch: int
) -> np.ndarray:
    """The k likeliest places for each prompt, best first, int64 [n, k]."""
    encoded = language.tokenizer(list(prompts))["input_ids"]
    order = sorted(range(len(encoded)), key=lambda row: -len(encoded[row]))
    lists = np.empty((len(encoded), k), np.int64)
    bar = context.progress(total=len(encoded), unit="list")
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        pad = language.tokenizer.pad_token_id
        input_ids, mask = left_padded([encoded[row] for row in rows], pad, device_of(language))
        with torch.no_grad():
            lists[rows] = beam_items(language.model, trie, input_ids, mask, k)[0].cpu().numpy()
        bar.update(len(rows))
    bar.close()
    return lists


def with_target_first(lists: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Each list with the target moved (or put) in front; the last place makes room where it was absent. [n, k]."""
    k = lists.shape[1]
    keys = np.where(lists == targets[:, None], -1, np.arange(k))
    rest = np.take_along_axis(lists, np.argsort(keys, axis=1, kind="stable"), 1)
    present = (lists == targets[:, None]).any(1)
    absent = np.concatenate([targets[:, None], lists[:, :-1]], 1)
    return np.where(present[:, None], rest, absent)
