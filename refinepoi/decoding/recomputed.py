"""Branches for any causal model: whole sequences are computed again for every token. Slow; the same results.

`branches.py` needs a cache of keys and values and attention that takes a 4-D mask. State-space models have neither,
others have their own kernels or positions. Whether a model can do it is tried out once on a few tokens, not looked up.
"""

import logging
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from refinepoi.decoding.branches import Branches, evaluating
from refinepoi.decoding.head import causal_model

_log = logging.getLogger(__name__)
_tried: "WeakKeyDictionary[nn.Module, bool]" = WeakKeyDictionary()


def branches_of(model: nn.Module, input_ids: Tensor, attention_mask: Tensor, room: int) -> "Branches | Recomputed":
    """What continues these prompts: over one shared cache where the model can do so. Use it inside `evaluating`."""
    if takes_branches(model, input_ids.shape[1] + room):
        return Branches(model, input_ids, attention_mask, room)
    return Recomputed(model, input_ids, attention_mask)


def takes_branches(model: nn.Module, length: int) -> bool:
    """Whether the model computes branches of one sequence, of `length` tokens in all, as it computes them alone."""
    core = causal_model(model)
    window = getattr(core.config.get_text_config(), "sliding_window", None)
    if window is not None and length > window:  # a mask of ours would widen the window
        return False
    if core not in _tried:
        with evaluating(model):
            _tried[core] = _agrees(core)
        if not _tried[core]:
            _log.warning(
                "%s has no cache or mask for branches: each token computes its whole sequence again, slowly",
                type(core).__name__,
            )
    return _tried[core]


def _agrees(core: Any) -> bool:
    """Two prompts, one of them padded, with two branches of two tokens each, in both ways."""
    weight = next(core.parameters())
    prompts, mask, first, second = torch.tensor(
        [[[1, 2, 3], [0, 3, 1]], [[1, 1, 1], [0, 1, 1]], [[1, 2, 0], [3, 1, 0]], [[3, 3, 0], [2, 1, 0]]],
        device=weight.device,
    )
    own = torch.eye(2, dtype=torch.bool, device=weight.device).repeat(1, 2).expand(2, -1, -1)
    found = []
    try:
        for branches in (Recomputed(core, prompts, mask), Branches(core, prompts, mask, room=4)):
            visible = branches.mask(own)
            one = branches.extend(first[:, :2], 0, visible[..., :5])
            two = branches.extend(second[:, :2], 1, visible)
            found.append(torch.cat([branches.prompt_hidden[:, None], one, two], 1).float())
    except Exception:  # models refuse in ways of their own; what the slow way refuses, too, is raised when it is used
        return False
    near = 1e-4 if weight.dtype == torch.float32 else 3e-2
    scale = float(found[0].abs().max().nan_to_num())
    return torch.allclose(found[0], found[1], rtol=0, atol=near * scale, equal_nan=True)


class Recomputed:
    """As `Branches`, with whole sequences: rows of one length go together, so that nothing is ever padded or masked."""

    def __init__(self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> None:
        self._backbone = causal_model(model).base_model
        self._prompts = [ids[real] for ids, real in zip(input_ids, attention_mask.bool(), strict=True)]
        self._width = input_ids.shape[1]
        self._tokens = input_ids[:, :0]
        self.prompt_hidden = self._last_hidden(self._prompts)

    @property
    def used(self) -> int:
        return self._tokens.shape[1]

    def mask(self, visible: Tensor) -> Tensor:
        """In the shape of `Branches.mask`, as bool."""
        return nn.functional.pad(visible, (self._width, 0), value=True)[:, None]

    def extend(self, tokens: Tensor, depth: Tensor | int, mask: Tensor) -> Tensor:
        """As `Branches.extend`. What a branch sees spells what it has decoded: slots are in that order."""
        self._tokens = torch.cat([self._tokens, tokens], 1)
        visible = mask[:, 0, :, self._width :]
        rows = [
            torch.cat([prompt, spelled[seen]])
            for prompt, spelled, branches in zip(self._prompts, self._tokens, visible, strict=True)
            for seen in branches
        ]
        return self._last_hidden(rows).view(*tokens.shape, -1)

    def _last_hidden(self, rows: list[Tensor]) -> Tensor:
        """Hidden states [rows, D] after the last token of each."""
        return torch.stack([states[-1] for states in hidden_of(self._backbone, rows)])


def hidden_of(backbone: Any, rows: list[Tensor]) -> list[Tensor]:
    """Hidden states [length, D] of each row, rows of one length in one pass."""
    found: dict[int, Tensor] = {}
    for length in {len(row) for row in rows}:
        alike = [n for n, row in enumerate(rows) if len(row) == length]
        states = backbone(input_ids=torch.stack([rows[n] for n in alike]), use_cache=False).last_hidden_state
        found.update(zip(alike, states, strict=True))
    return [found[n] for n in range(len(rows))]
