"""How good the policy is on unseen queries while it trains: greedy lists on a fixed sample of validation queries.

A policy that learns to reason writes its reasoning first, greedily, and may write as much as its samples do. That is at
least what evaluation lets it write (`rules.py`), or else what is chosen here would not be what is evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from refinepoi import ranking
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.trajectories import SPLITS
from refinepoi.core.seeding import generator
from refinepoi.decoding.lists import decode_lists
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.reasoning import think
from refinepoi.decoding.trie import Trie
from refinepoi.training import ranks
from refinepoi.training.shards import through

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class Validation:
    """
    prompts: texts, longest first, so that a batch holds neighbours in length.
    target: int64 [n], POI indices.
    thinking: most tokens of reasoning that the model may write before its list; 0: the list alone.
    """

    prompts: list[str]
    target: npt.NDArray[np.int64]
    trie: Trie
    k: int
    batch: int
    thinking: int

    @classmethod
    def sample(cls, prompts: Prompts, trie: Trie, count: int, batch: int, seed: int, thinking: int = 0) -> Self:
        """`count` validation queries drawn without replacement, or all where there are fewer."""
        rows = prompts.table.filter(pl.col("split") == SPLITS.index("validation"))
        chosen = generator(seed, "validation").permutation(rows.height)[:count]
        rows = rows[np.sort(chosen)].sort(pl.col("prompt").str.len_bytes(), descending=True, maintain_order=True)
        texts, target = rows["prompt"].to_list(), rows["target"].to_numpy().astype(np.int64)
        return cls(texts, target, trie, prompts.list_length, batch, thinking)

    def measure(self, model: Any, tokenizer: Any) -> Mapping[str, float]:
        """MRR and Acc at the cutoffs within the list length. Empty where there are no validation queries.

        An ID that several places share (collision policy `none`) counts as its first place: here policies of one run
        are compared, the table of the run is made by `evaluation`.
        """
        return self.score(self.lists(model, tokenizer)) if self.prompts else {}

    def lists(self, model: Any, tokenizer: Any) -> npt.NDArray[np.int64]:
        """The policy's greedy lists, POI indices [n, k]; ranks that train together share the work."""

        def answered(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            lists = []
            for start in range(0, len(rows), self.batch):
                encoded = tokenizer(text=[self.prompts[row] for row in rows[start : start + self.batch]])["input_ids"]
                input_ids, mask = left_padded(encoded, tokenizer.pad_token_id, model.device)
                if self.thinking:
                    together = partial(think, anyone=ranks.anyone)
                    thoughts = through(model, model, together, tokenizer, input_ids, mask, self.thinking)
                    begun = [ids + thought.tokens for ids, thought in zip(encoded, thoughts, strict=True)]
                    input_ids, mask = left_padded(begun, tokenizer.pad_token_id, model.device)
                found = through(model, model, decode_lists, self.trie, input_ids, mask, self.k)
                lists.append(found.pois.cpu().numpy())
            return np.concatenate(lists)

        return ranks.spread(answered, len(self.prompts))

    def score(self, lists: npt.NDArray[np.int64]) -> dict[str, float]:
        """MRR and Acc of lists [n, k]."""
        first = self.trie.leaf_poi[self.trie.poi_leaf].cpu().numpy()
        rank = ranking.rank_in_list(lists, first[self.target])
        hits = {f"Acc@{k}": float(ranking.hit_at(rank, k).mean()) for k in CUTOFFS if k <= self.k}
        return {"MRR": float(ranking.reciprocal_rank(rank).mean()), **hits}
