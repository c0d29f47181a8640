"""What every fitted quantizer offers; `fit.py` makes one from a spec and reads one from a folder.

A quantizer is a function of a place's own columns: encoding a row never depends on the other rows.
"""

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from refinepoi.quantizer.collisions import Space
from refinepoi.quantizer.hierarchy import Codebooks
from refinepoi.quantizer.lattice import Topology
from refinepoi.quantizer.places import Places

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
Grids = tuple[tuple[int, int], ...]


class Quantizer(Protocol):
    """A fitted quantizer."""

    @property
    def grids(self) -> Grids:
        """(H, W) of each level; a code is row * W + column."""

    @property
    def topology(self) -> Topology:
        """Which cells of a level are neighbours."""

    @property
    def books(self) -> Codebooks | None:
        """Vectors of nodes that add up to the decoded vector; None for quantizers of another kind."""

    def encode(self, places: Places) -> I32:
        """int32 [N, L], before any collision policy."""

    def decode(self, codes: npt.NDArray[np.integer], levels: int | None = None) -> F32:
        """
        What the first `levels` codes (all) say of a place's vector: int [N, >= levels] -> float32 [N, D]. Quantizers
        that do not look at vectors answer with the mean vector of the places they learned under that prefix.
        """

    def space(self, places: Places) -> Space:
        """
        Distances of these places to the nodes of a level, and codes below a move: what collision policies ask, and what
        the second nearest node is.
        """

    def save(self, folder: Path) -> None:
        """Write plain files (JSON, npy, safetensors) into an existing, empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self: ...
