"""What the dataset part of a run is made of: source, checks of rows, protocol (docs/method.md section 4)."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.spec import Spec
from refinepoi.dataset.city_spec import CityModel
from refinepoi.dataset.file_spec import LbsnDataset, SplitDataset, TextDataset
from refinepoi.dataset.protocol_spec import CleaningSpec, ProtocolSpec


class CityDataset(Spec):
    """The embedded city, or several of them side by side."""

    kind: Literal["city"]
    seed: int = Field(ge=0)
    cities: int = Field(ge=1, le=30, description="so many side by side; people and places of each are its own")
    vary: float = Field(ge=0, lt=1, description="by which share the habits of the others may differ from `city`")
    city: CityModel
    cleaning: CleaningSpec
    protocol: ProtocolSpec

    def problems(self) -> list[str]:
        return []


OneDataset = Annotated[CityDataset | SplitDataset | TextDataset | LbsnDataset, Field(discriminator="kind")]


class PairDataset(Spec):
    """Train on one data set, test on another."""

    kind: Literal["pair"]
    train: OneDataset
    test: OneDataset

    def problems(self) -> list[str]:
        parts = (("train", self.train), ("test", self.test))
        faults = [fault.replace("dataset.", f"dataset.{name}.", 1) for name, part in parts for fault in part.problems()]
        if not faults and _content(self.train) & _content(self.test):
            faults.append("dataset.test: is the data of dataset.train; give another file, or another seed of the city")
        return faults


def _content(part: OneDataset) -> set[tuple[str, str]]:
    """What the check-ins come from, such that equal data is equal here."""
    if isinstance(part, CityDataset):
        return {("city", str(part.seed + number)) for number in range(part.cities)}
    return part.checkins()


DatasetSpec = Annotated[
    CityDataset | SplitDataset | TextDataset | LbsnDataset | PairDataset, Field(discriminator="kind")
]
