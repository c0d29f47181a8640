"""The policy's own likeliest places for every train query, by exact search over the catalogue. Kept across a crash."""

import os

import numpy as np

from refinepoi.artifacts.files import read_array, write_array
from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.stage import Context
from refinepoi.decoding.beam import beam_items
from refinepoi.decoding.padding import left_padded
from refinepoi.decoding.trie import Trie
from refinepoi.model.load import LanguageModel
from refinepoi.sft.data import Ints
from refinepoi.sft.examples import train_table
from refinepoi.training import ranks


def own_places(context: Context, language: LanguageModel, trie: Trie, prompts: Prompts) -> Ints:
    """int64 [n, k]: for the train queries in the order of the prompts, best first."""
    kept = context.work / "own_places.npy"
    if ranks.first_here(kept.exists):
        return read_array(kept)
    texts = train_table(prompts)["prompt"].to_list()
    encoded = language.tokenizer(texts)["input_ids"]
    order = np.argsort([-len(tokens) for tokens in encoded], kind="stable")
    batch, model = context.runtime.micro_batch, language.model
    trie = trie.to(model.device)

    def searched(rows: Ints) -> Ints:
        found = []
        with context.progress(total=len(rows), unit="prompt") as bar:
            for start in range(0, len(rows), batch):
                part = [encoded[row] for row in order[rows[start : start + batch]]]
                input_ids, mask = left_padded(part, language.tokenizer.pad_token_id, model.device)
                found.append(beam_items(model, trie, input_ids, mask, prompts.list_length)[0].cpu().numpy())
                bar.update(len(part))
        return np.concatenate(found)

    places = np.empty((len(texts), prompts.list_length), np.int64)
    places[order] = ranks.spread(searched, len(texts))
    if context.main:
        partial = kept.with_name("own_places.partial.npy")
        write_array(partial, places)
        os.replace(partial, kept)
    return places
