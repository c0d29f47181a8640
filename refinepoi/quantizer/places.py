"""Places: what a quantizer may read of POIs, a row a POI. One noun for all kinds: vectors, positions, categories."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from refinepoi.artifacts.files import require

if TYPE_CHECKING:
    import polars as pl

    from refinepoi.artifacts.embeddings import Embeddings

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Places:
    """
    vectors: float32 [N, D], the embeddings.
    latitude, longitude: float64 [N], degrees.
    category: names, str [N].
    trained: bool [N], the rows to learn from; the others are only encoded.
    """

    vectors: F32
    latitude: F64
    longitude: F64
    category: npt.NDArray[np.str_]
    trained: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        rows = {len(getattr(self, name)) for name in self.__dataclass_fields__}
        require(len(rows) == 1, f"places: columns of {sorted(rows)} rows")

    @classmethod
    def of(cls, embeddings: "Embeddings", pois: "pl.DataFrame") -> Self:
        """pois: Trajectories.pois, row for row with the embeddings."""
        vectors = embeddings.vectors
        require(len(vectors) == pois.height, f"{len(vectors)} embeddings for {pois.height} POIs")
        return cls(
            vectors,
            pois["latitude"].to_numpy(),
            pois["longitude"].to_numpy(),
            pois["category"].to_numpy().astype(np.str_),
            pois["in_train"].to_numpy(),
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: "slice | npt.NDArray[Any]") -> "Places":
        """The places of these rows: a slice, row numbers or a mask."""
        return Places(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def known(self) -> "Places":
        """The places to learn from."""
        return self if self.trained.all() else self[self.trained]
