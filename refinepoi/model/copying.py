"""A small model that can copy before it has learned anything: its induction heads stand in place.

A model answers by copying semantic IDs out of its prompt. That takes two layers (Olsson et al. 2022, "In-context
Learning and Induction Heads"): heads of the first look a fixed number of tokens back and write down what stands there;
heads of the second look for where the present token was written down, and name what stands there. Learned from nothing
this takes a model of this size more steps than a small city has. Set up by hand it is learned further like any other
weight: nothing is frozen, and the architecture is a plain Llama's.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

FAST = 0.08  # radians a token: pairs of a head that turn faster tell places apart; the slower half compares contents
SHARP, MATCH = 7.0, 16.0  # attention logits: of one turning pair at its place; of a token met again
NAMED = 3.0  # size of what the second layer names, in embeddings


def offsets(texts: Sequence[Sequence[int]], ids: Collection[int]) -> tuple[int, ...]:
    """How far back an ID token finds the one before it: inside an ID, and most often from an ID to the next."""
    known, gaps = set(ids), Counter[int]()
    for text in texts:
        places = [place for place, token in enumerate(text) if token in known]
        gaps.update(after - before for before, after in pairwise(places) if after - before > 1)
    return (1, *(gap for gap, _ in gaps.most_common(1)))


def start_copying(model: Any, back: Sequence[int]) -> None:
    """Change a fresh Llama with tied embeddings in place. back: tokens, one head of the first two layers for each.

    Draws from torch's generator. Sizes follow those of the embeddings, so that no part drowns the others.
    """
    config, words = model.config, model.model.embed_tokens.weight
    first, second = (layer.self_attn for layer in model.model.layers[:2])
    width, size = config.hidden_size, config.head_dim
    spread = width**-0.5  # of the embeddings: louder than usual, so that what is named has logits that count
    speeds = [config.rope_parameters["rope_theta"] ** (-pair / size) for pair in range(0, size, 2)]
    fast = torch.tensor([float(speed >= FAST) for speed in speeds])
    slow = [half + pair for half in (0, size // 2) for pair in range(size // 4, size // 2)]
    compared, parts = len(slow), 2 + len(back)  # parts of the second layer's input, each as large as an embedding
    # Directions that do not mix: one in every embedding, which heads ask by that look at places alone; for each head
    # of the first layer those it writes to; the others are the embeddings' own.
    drawn = torch.linalg.qr(torch.randn(width, width))[0]
    common, *written, own = drawn.split([1, *[compared] * len(back), width - 1 - compared * len(back)], dim=1)
    places = (SHARP * 2 * size**0.5 / width) ** 0.5
    contents = (MATCH * parts * (size * len(own.T)) ** 0.5 / width / compared**0.5) ** 0.5
    with torch.no_grad():
        loud = spread / config.initializer_range * (width / len(own.T)) ** 0.5
        words.copy_(loud * words @ own @ own.T + spread * width**0.5 * common.T)
        for module in model.model.layers.modules():  # what reads the stream would answer the common one everywhere
            if isinstance(module, torch.nn.Linear) and module.in_features == width:
                module.weight -= module.weight @ common @ common.T
        for head, distance in enumerate(back):
            start = head * size
            mine, told, met = slice(start, start + size), slice(start, start + compared), [start + p for p in slow]
            read, named = (_some(count, own) for count in (compared, min(size, len(own.T))))
            turned = torch.tensor([distance * speed for speed in speeds])
            asks, answers = torch.cat([fast, 0 * fast]), torch.cat([fast * turned.cos(), fast * turned.sin()])
            first.q_proj.weight[mine] += places * torch.outer(asks, common[:, 0])
            first.k_proj.weight[mine] += places * torch.outer(answers, common[:, 0])
            first.v_proj.weight[told] = read.T
            first.o_proj.weight[:, told] = spread * (2 * len(own.T) / compared) ** 0.5 * written[head]
            second.q_proj.weight[met] = contents * read.T
            second.k_proj.weight[met] = contents * written[head].T
            named_by = slice(start, start + named.shape[1])
            second.v_proj.weight[named_by] = named.T
            second.o_proj.weight[:, named_by] = spread * NAMED * (parts * len(own.T) / named.shape[1]) ** 0.5 * named


def _some(count: int, directions: Tensor) -> Tensor:
    """[width, count]: at right angles to each other, out of the span of `directions`."""
    return directions @ torch.linalg.qr(torch.randn(directions.shape[1], count))[0]
