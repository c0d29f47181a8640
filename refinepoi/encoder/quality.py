"""Quality of POI vectors: do near and alike POIs end up close? (docs/method.md section 2)

Each figure is given for the embeddings and for the raw features, with chance beside it.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from refinepoi.core.earth import EARTH_KM
from refinepoi.core.seeding import generator
from refinepoi.encoder.loss import alignment, uniformity
from refinepoi.encoder.pairs import Known, Pairs

QUERIES = 10_000
"""Most POIs whose neighbours are looked up; a seeded sample beyond."""
CHUNK = 1024


def quality_of(
    vectors: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    categories: npt.NDArray[np.int64],
    coordinates: npt.NDArray[np.float64],
    train: Pairs,
    held: Pairs,
    k: int = 10,
) -> dict[str, float]:
    """Plain numbers by name.

    vectors [P, D], features [P, F]; categories [P], -1: none; coordinates [P, 2] = latitude, longitude in degrees.
    purity: share of the k nearest of the same category; recall: share of held-out partners among the k nearest that
    are not known partners from training; kilometres: median distance to the k nearest.
    """
    unit = torch.from_numpy(vectors)
    result = {
        "alignment": float(alignment(unit[held.first], unit[held.second])),
        "uniformity": float(uniformity(unit[_sample(len(unit), "uniformity", 4096)])),
    }
    centred = torch.from_numpy(features - features.mean(0))
    for name, table in (("", unit), ("raw_", functional.normalize(centred, dim=1))):
        result[f"{name}category_purity@{k}"], kilometres = _neighbourhood(table, categories, coordinates, k)
        result[f"{name}covisit_recall@{k}"] = _recall(table, train, held, k)
        result[f"{name}neighbour_kilometres@{k}"] = kilometres
    has = categories >= 0
    sizes = np.bincount(categories[has])
    chance = (sizes * (sizes - 1)).sum() / max(1, has.sum() * (len(categories) - 1))
    result[f"chance_category_purity@{k}"] = float(chance)
    result[f"chance_covisit_recall@{k}"] = min(1.0, k / max(1, len(categories) - 1))
    return result


def _neighbourhood(
    table: Tensor, categories: npt.NDArray[np.int64], coordinates: npt.NDArray[np.float64], k: int
) -> tuple[float, float]:
    """(category purity over POIs that have one, median kilometres) of the k nearest."""
    same, distances = [], []
    for rows in np.array_split(_sample(len(table), "neighbours", QUERIES), max(1, len(table) // CHUNK)):
        similarity = table[rows] @ table.T
        similarity[torch.arange(len(rows)), torch.from_numpy(rows)] = float("-inf")
        near = similarity.topk(min(k, len(table) - 1), dim=1).indices.numpy()
        has = categories[rows] >= 0
        same.append((categories[near] == categories[rows][:, None])[has].ravel())
        distances.append(_kilometres(coordinates[rows][:, None], coordinates[near]).ravel())
    agree = np.concatenate(same)
    return float(agree.mean()) if agree.size else 0.0, float(np.median(np.concatenate(distances)))


def _recall(table: Tensor, train: Pairs, held: Pairs, k: int) -> float:
    """Share of (POI, held-out partner) directions whose partner is among the k nearest not known from training."""
    known = Known(train, len(table))
    everything = torch.arange(len(table))
    one, other = np.concatenate([held.first, held.second]), np.concatenate([held.second, held.first])
    rows = _sample(len(one), "recall", QUERIES)
    hits = 0
    for part in np.array_split(rows, max(1, len(rows) // CHUNK)):
        query = torch.from_numpy(one[part])
        similarity = (table[query] @ table.T).masked_fill(known.mask(query, everything), float("-inf"))
        near = similarity.topk(min(k, len(table)), dim=1).indices
        hits += int((near == torch.from_numpy(other[part])[:, None]).any(1).sum())
    return hits / len(rows)


def _kilometres(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Great-circle distance of (latitude, longitude) in degrees along the last axis."""
    (lat1, lon1), (lat2, lon2) = np.moveaxis(np.radians(one), -1, 0), np.moveaxis(np.radians(other), -1, 0)
    root = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    distance: npt.NDArray[np.float64] = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(root, 0, 1)))
    return distance


def _sample(size: int, purpose: str, most: int) -> npt.NDArray[np.int64]:
    """All of 0..size-1, or a sorted sample of them that depends on nothing but the sizes."""
    if size <= most:
        return np.arange(size)
    return np.sort(generator(0, "quality", purpose).choice(size, most, replace=False))
