"""Models that several processes wrap (DDP) or share out (FSDP2): calling more of them than `forward`, and saving them.

A wrapper averages gradients, and a sharded model gathers its weights, in the forward pass of the outermost module only.
`through` runs any function there. A sharded model is saved from a whole copy that rank 0 keeps in the machine's memory.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule

from refinepoi.model.load import LanguageModel, save
from refinepoi.training import ranks

T = TypeVar("T")


def through(outer: nn.Module, inner: nn.Module, function: Callable[..., T], *arguments: Any) -> T:
    """`function(inner, *arguments)` inside the forward pass of `outer`, which wraps `inner` or is it.

    A plain model is called directly. As Lightning and TRL do it: `inner.forward` is exchanged for one call.
    """
    if outer is inner and not isinstance(outer, FSDPModule):
        return function(inner, *arguments)
    plain = inner.forward

    def once(*given: Any) -> T:
        inner.forward = plain  # the function may need it
        return function(inner, *given)

    inner.forward = once
    try:
        result: T = outer(*arguments)
    finally:
        inner.forward = plain
    return result


class PolicySaver:
    """Writes the present policy to a folder. Every rank calls it, rank 0 writes."""

    def __init__(self, language: LanguageModel, sharded: bool) -> None:
        """Before the model is sharded."""
        self.language = language
        self.twin = copy.deepcopy(language.model) if sharded and ranks.index() == 0 else None
        self.sharded = sharded

    def __call__(self, folder: Path) -> None:
        if not self.sharded:
            if ranks.index() == 0:
                save(self.language, folder)
            return
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_model_state_dict(self.language.model, options=options)
        if self.twin is not None:
            self.twin.load_state_dict(state)
            save(replace(self.language, model=self.twin), folder)
