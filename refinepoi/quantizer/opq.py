"""Optimised product quantization (Ge et al., 2013): rotate, cut the axes into one part a level, k-means in each part.

The rotation R starts from PCA, its axes dealt out so that all parts hold about the same product of variances, and then
alternates with the codebooks: R is the orthogonal matrix that brings the rows closest to what the codebooks say of
them (Procrustes, by SVD). A part's centres are turned back into the full space, where the parts are orthogonal: their
sum decodes, and coding the residuals level by level is exactly the search part by part (`hierarchy.Codebooks`).
"""

import numpy as np
import numpy.typing as npt

from refinepoi.core.errors import UserError
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.kmeans import fit_kmeans
from refinepoi.quantizer.winners import F32, F64

Grids = tuple[tuple[int, int], ...]
Parts = list[npt.NDArray[np.int64]]


def fit_opq(x: F32, grids: Grids, *, rotations: int, iterations: int, seed: int) -> Codebooks:
    """x: float32 [N, D]; D must be at least the number of levels (UserError)."""
    width = x.shape[1]
    if width < len(grids):
        raise UserError(f"quantizer.levels: {len(grids)} levels, but vectors of {width} columns; use fewer levels")
    parts: Parts = np.array_split(np.arange(width), len(grids))
    wide = x.astype(np.float64)
    rotation = _dealt_axes(wide, parts)

    def centres(turned: F64, level: int, steps: int, start: F32 | None) -> F32:
        rows = np.ascontiguousarray(turned[:, parts[level]], np.float32)
        height, across = grids[level]
        return fit_kmeans(rows, height * across, iterations=steps, seed=seed, level=level, start=start)

    books: list[F32] = []
    for step in range(rotations):
        turned = wide @ rotation
        books = [centres(turned, level, 1, books[level] if step else None) for level in range(len(grids))]
        said = _embedded(books, parts, np.eye(width))
        told = said.decode(said.encode(turned.astype(np.float32)))
        left, _, right = np.linalg.svd(wide.T @ told)
        rotation = left @ right
    turned = wide @ rotation
    books = [centres(turned, level, iterations, books[level] if books else None) for level in range(len(grids))]
    embedded = _embedded(books, parts, rotation)
    return Codebooks(grids, embedded.weights)


def _dealt_axes(x: F64, parts: Parts) -> F64:
    """Orthogonal [D, D]: principal axes, largest first, each to the open part of the smallest variance product."""
    spread, axes = np.linalg.eigh(np.cov(x, rowvar=False, bias=True).reshape(x.shape[1], -1))
    size = np.log(np.maximum(spread, 1e-12 * max(spread[-1], 1e-300)))
    size -= size[0]  # every axis adds: a part without axes is the smallest
    dealt: list[list[int]] = [[] for _ in parts]
    for axis in range(len(spread) - 1, -1, -1):
        open_parts = [p for p, part in enumerate(parts) if len(dealt[p]) < len(part)]
        dealt[min(open_parts, key=lambda p: (size[dealt[p]].sum(), p))].append(axis)
    return axes[:, np.concatenate([np.array(own, np.int64) for own in dealt])]


def _embedded(books: list[F32], parts: Parts, rotation: F64) -> Codebooks:
    """Centres of each part [nodes, part] as vectors of the full space [nodes, D]."""
    weights = tuple((b @ rotation[:, part].T).astype(np.float32) for b, part in zip(books, parts, strict=True))
    return Codebooks(tuple((1, len(book)) for book in books), weights)
