"""Learned kernels: a Deep Sets network over the visits of each place (Zaheer et al. 2017, arXiv 1703.06114).

docs/method.md section 5: counters are sums of hand-made kernels over a place's visits. Here phi makes K positive
weights of the facts of each pair query x visit (`pairs.py`), they are summed by place, and rho makes a score of the
logarithms of the sums and of their shares among the places, beside facts of place and query. Scores become a
distribution over the places visited; it is fitted by the likelihood of those targets that are returns.

Fitted in float32; scored in float64, where which queries are scored together moves no digit that is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from refinepoi.artifacts.history import History
from refinepoi.core.seeding import generator
from refinepoi.ranker.pairs import PAIR, PLACE, Ints, Pairs, pair
from refinepoi.ranker.spec import DeepSetsKernels

SMALL = 1e-3  # a sum or share of less is as good as none
EMBEDDED = 0.1  # standard deviation of embeddings at first
WARM_UP = 0.1  # of all steps
CHUNK = 256  # queries paired at a time; memory only


class DeepSets(nn.Module):
    def __init__(self, spec: DeepSetsKernels, categories: int) -> None:
        """categories: how many there are, 0 (unknown) among them."""
        super().__init__()
        width, kernels = spec.width, spec.kernels
        tables = [nn.Embedding(categories, spec.category_width) for _ in range(2)]
        for table in tables:
            nn.init.normal_(table.weight, std=EMBEDDED)
        self.kinds = nn.ModuleList(tables)
        told = 2 * spec.category_width
        self.read, self.read_kinds = nn.Linear(len(PAIR), width), nn.Linear(told, width, bias=False)
        self.phi = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, kernels))
        self.rho = nn.Sequential(
            nn.Linear(2 * kernels + len(PLACE) + told, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, pairs: Pairs) -> Tensor:
        """[G] log-probabilities of the places of each query.

        `index_select`, not brackets: their gradients are added by several threads in any order.
        """
        kind = self.read.weight.dtype
        query, group, kinds = (torch.from_numpy(part) for part in (pairs.query, pairs.group, pairs.kinds))
        embedded = torch.cat([table(kinds[:, n]) for n, table in enumerate(self.kinds)], 1)
        read = self.read(torch.from_numpy(pairs.pairs).to(kind)) + self.read_kinds(embedded).index_select(0, group)
        weights = functional.softplus(self.phi(read))
        groups, m = len(pairs.query), int(pairs.query[-1]) + 1
        sums = weights.new_zeros(groups, weights.shape[1]).index_add(0, group, weights)
        totals = sums.new_zeros(m, sums.shape[1]).index_add(0, query, sums)
        shares = sums / (totals.index_select(0, query) + 1e-6)
        told = torch.from_numpy(pairs.places).to(kind)
        scores = self.rho(torch.cat([torch.log(sums + SMALL), torch.log(shares + SMALL), told, embedded], 1))[:, 0]
        best = scores.detach().new_full((m,), -torch.inf).scatter_reduce(0, query, scores.detach(), "amax")
        scores = scores - best[query]
        return scores - torch.log(scores.new_zeros(m).index_add(0, query, torch.exp(scores))).index_select(0, query)


def fit(
    spec: DeepSetsKernels,
    history: History,
    queries: Ints,
    targets: Ints,
    epochs: Iterable[int],
) -> tuple[DeepSets, ...]:
    """
    queries, targets: [n] numbers of training queries and their POIs. epochs: their numbers, `spec.epochs` of them.
    `spec.networks` that differ in what they begin with, fitted side by side on the facts of one batch; none where no
    query is a return.
    """
    taught = _returns(spec, history, queries, targets)
    if not taught.any():
        return ()
    queries, targets = queries[taught], targets[taught]
    seeds = [spec.seed, *generator(spec.seed, "networks").integers(2**31, size=spec.networks - 1).tolist()]
    networks = tuple(_fresh(spec, seed, int(history.category.max()) + 2) for seed in seeds)
    parameters = [weights for network in networks for weights in network.parameters()]
    steps = spec.epochs * -(-len(queries) // spec.batch_size) + 1
    optimizer = torch.optim.AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    warm_up = max(WARM_UP, 2 / steps)  # a phase of one step divides by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, spec.learning_rate, total_steps=steps, pct_start=warm_up)
    for epoch in epochs:
        order = generator(spec.seed, "kernels", str(epoch)).permutation(len(queries))
        for begin in range(0, len(queries), spec.batch_size):
            rows = order[begin : begin + spec.batch_size]
            pairs = pair(history, queries[rows], spec.visits)
            wanted = torch.from_numpy(pairs.group_of(targets[rows]))
            optimizer.zero_grad()
            for network in networks:
                (-network(pairs)[wanted].mean()).backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return tuple(network.eval().requires_grad_(False) for network in networks)


def _fresh(spec: DeepSetsKernels, seed: int, categories: int) -> DeepSets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DeepSets(spec, categories)


def chances(
    networks: Sequence[DeepSets], history: History, queries: Ints, candidates: npt.NDArray[np.int32], visits: int
) -> npt.NDArray[np.float64]:
    """[n, C] mean probability of each candidate, 0 where it was not visited. networks: one or more, float64."""
    found = np.zeros(candidates.shape)
    with torch.no_grad():
        for begin in range(0, len(queries), CHUNK):
            part = slice(begin, begin + CHUNK)
            pairs = pair(history, queries[part], visits)
            if not len(pairs.query):
                continue
            likely = np.append(np.mean([np.exp(network(pairs).numpy()) for network in networks], 0), 0.0)
            found[part] = np.stack([likely[pairs.group_of(column)] for column in candidates[part].T], 1)
    return found


def restored(spec: DeepSetsKernels, weights: Mapping[str, Any]) -> DeepSets:
    """weights: by name, as `DeepSets.state_dict`."""
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced at once
        network = DeepSets(spec, len(weights["kinds.0.weight"]))
    network.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return network.eval().requires_grad_(False)


def _returns(spec: DeepSetsKernels, history: History, queries: Ints, targets: Ints) -> npt.NDArray[np.bool_]:
    """[n] whether the target is among the visits that are read."""
    found = np.zeros(len(queries), np.bool_)
    for begin in range(0, len(queries), CHUNK):
        part = slice(begin, begin + CHUNK)
        query, place = history.pairs(queries[part])
        count = np.bincount(query, minlength=len(queries[part]))
        newest = np.cumsum(count)[query] - 1 - np.arange(len(query)) < spec.visits
        hits = newest & (history.poi[place] == targets[part][query])
        found[part][query[hits]] = True
    return found
