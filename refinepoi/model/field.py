"""Where semantic-ID tokens start: neighbouring cells of a grid with neighbouring embeddings (`id_init=som`).

A self-organizing map puts like places into neighbouring cells, so what is learned of one cell should hold, in part, for
the cells around it. The paper leaves this to training. Here each level's tokens are drawn together from a Gaussian
process over the grid: per dimension unit variance, and a correlation of two cells that falls with their distance d as
(1 - OWN) exp(-d^2 / 2 l^2), where l is REACH times the grid's longer side. The share OWN is each cell's own, so that
neighbours can be told apart from the start. The kernel is a product over rows and columns, and so is its root: no
matrix is larger than a side of the grid. On a torus d goes round, as in a wrapped normal distribution; hexagons are
treated as plain grids. Codes of quantizers without a map have no neighbours: there is nothing to draw for them.
"""

import logging

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.semantic_ids import SemanticIds

log = logging.getLogger("refinepoi")
REACH, OWN = 0.25, 0.2
WITHOUT_MAP = ("kmeans", "rqvae", "opq", "random")
TURNS = np.arange(-3, 4)  # round a torus; the kernel reaches less than two sides far
Floats = npt.NDArray[np.float64]


def token_field(semantic_ids: SemanticIds, width: int, rng: np.random.Generator) -> Floats:
    """float64 [tokens, width], in the order of `semantic_ids.tokens`; mean 0, variance 1."""
    levels = []
    torus = semantic_ids.report.get("topology") == "toroidal"
    for level, (rows, columns) in enumerate(semantic_ids.grids):
        counts_only = semantic_ids.policy == "suffix" and level == semantic_ids.levels - 1
        own = 1.0 if counts_only else OWN  # a suffix numbers the places of a cell: its order says nothing
        levels.append(smooth(rows, columns, width, own, rng, torus))
    return np.concatenate(levels)


def has_map(semantic_ids: SemanticIds, instead: str) -> bool:
    """Whether neighbouring cells are alike; where they are not, the log says what `id_init=som` is taken as."""
    quantizer = semantic_ids.report.get("quantizer")
    if quantizer in WITHOUT_MAP:
        log.warning("model.id_init: som needs a map, and quantizer=%s has none; taken as %s", quantizer, instead)
        return False
    return True


def smooth(rows: int, columns: int, width: int, own: float, rng: np.random.Generator, torus: bool = False) -> Floats:
    """[rows * columns, width], cells row by row."""
    reach = REACH * max(rows, columns)
    draws = rng.standard_normal((rows, columns, width))
    shared = np.einsum("ri,cj,ijw->rcw", _root(rows, reach, torus), _root(columns, reach, torus), draws, optimize=True)
    alone = rng.standard_normal((rows, columns, width))
    return (np.sqrt(1 - own) * shared + np.sqrt(own) * alone).reshape(rows * columns, width)


def _root(side: int, reach: float, torus: bool) -> Floats:
    """The symmetric root of the kernel along one side; rounding makes some eigenvalues slightly negative."""
    place = np.arange(side)
    turns = TURNS * side if torus else np.zeros(1)
    kernel = np.exp(-((place[:, None, None] - place[:, None] + turns) ** 2) / (2 * reach**2)).sum(-1)
    values, vectors = np.linalg.eigh(kernel / kernel[0, 0])
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
