"""Models: a causal language model and its tokenizer, built from settings, the Hub's cache or a Hugging Face folder.

`build` makes the first model of a run (`scratch`: random weights, word tokenizer; `pretrained`: any causal LM, with
semantic-ID tokens added and a LoRA if asked), `load` reads a Policy, `save` writes one, `adapt` puts a fresh adapter on
a plain one. With `id_init=som` semantic-ID tokens start beside their neighbours on the map (`field.py`).

A policy of a model trained as a whole holds whole weights. One that was trained as an adapter holds the adapter with
the new tokens, and says which base it belongs to (`source.py`): copies of 8 B weights for each checkpoint and stage
would fill any disk. SFT and GRPO train one and the same adapter, one after the other. `save_merged` writes weights that
need no base.
"""
