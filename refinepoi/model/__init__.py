"""Models: a causal language model and its tokenizer, built from settings or from a Hugging Face folder.

`build` makes the first model of a run (`scratch`: random weights, word tokenizer; `local`: any causal LM folder, with
semantic-ID tokens added and LoRA if asked), `load` reads a Policy, `save` writes one, `adapt` puts a fresh adapter on
a loaded one. A saved policy always holds whole, merged weights, never a bare adapter: it needs no base beside it, the
next stage starts from exactly the policy it was given (a fresh LoRA adds zero, so the KL to the warm start begins at
0), and any tool that reads Hugging Face folders reads it. The price is the disk space of a full model for each policy.
"""
