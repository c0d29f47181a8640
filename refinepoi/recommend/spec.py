"""RecommendSpec: whose next places are asked for, when, and how the answer is written."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, computed_field, model_validator

from refinepoi.core.errors import UserError
from refinepoi.core.spec import Count, NonNegative, Spec
from refinepoi.dataset.files import fingerprint
from refinepoi.recommend.table import problems_of

Text = Annotated[str, Field(min_length=1)]
AFTER_LAST = re.compile(r"last\+(\d{1,6})")


def _check_when(text: str) -> str:
    """`now` becomes the time it is, so that a run that is resumed or reproduced asks for the same moment."""
    if text == "now":
        return datetime.now(UTC).isoformat(timespec="seconds")
    if AFTER_LAST.fullmatch(text):
        return text
    from refinepoi.recommend.clock import moment

    try:
        moment(text)
    except UserError as error:
        raise ValueError(f"must be last+MINUTES, now, or a time with its zone ({error})") from None
    return text


def _check_zone(text: str) -> str:
    from refinepoi.recommend.clock import zone_of

    try:
        zone_of(text)
    except UserError as error:
        raise ValueError(str(error)) from None
    return text


class TripColumns(Spec):
    """Names of the file's columns. Those that may be null need not be there."""

    user: Text | None = Field(description="null: all rows are one person's")
    trip: Text | None = Field(description="null: trips are told by the gaps between visits")
    poi: Text | None = Field(description="null: places are found by their coordinates")
    time: Text
    timezone: Text | None = Field(description="minutes from UTC, or names such as America/New_York")
    latitude: Text | None
    longitude: Text | None
    when: Text | None = Field(description="the time asked for; the last one a person's rows tell counts")


class RecommendSpec(Spec):
    input: Text | None = Field(description="CSV, a row a visit")
    columns: TripColumns
    separator: Literal[",", ";", "tab"]
    timezone: Annotated[Text, AfterValidator(_check_zone)] | None = Field(description="of times that tell none")
    run: Text | None = Field(description="folder of the finished run that answers; null: a run of these settings")
    names: Text | None = Field(description="CSV with the columns poi and name: what places are called")
    each: Literal["person", "trip"] = Field(description="one question for each person, or after each of their trips")
    when: Annotated[str, AfterValidator(_check_when)] = Field(
        description="last+MINUTES after the last visit, now, or a time with its zone; `columns.when` goes before"
    )
    k: Count = Field(description="places of an answer")
    mode: Literal["as_evaluated", "list", "beam"] = Field(
        description="beam: the k likeliest, with probabilities; list: k places named one after another, as trained, "
        "slower; as_evaluated: as evaluation.decoding says"
    )
    within_km: NonNegative = Field(
        description="a place that is not in the catalogue is taken for the nearest one up to here"
    )
    known_users: bool = Field(description="people of the data, by `columns.user`: their visits there count, too")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content(self) -> dict[str, str]:
        """Digests of the files: another content is another question."""
        files = {"input": self.input, "names": self.names}
        return {key: fingerprint(Path(name)) for key, name in files.items() if name and Path(name).is_file()}

    @model_validator(mode="before")
    @classmethod
    def _accept_own_dump(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if k != "content"} if isinstance(value, dict) else value

    @property
    def delimiter(self) -> str:
        return "\t" if self.separator == "tab" else self.separator

    @property
    def filled(self) -> list[str]:
        """Columns in which no row may be blank: whose question is it?"""
        asked = [self.columns.user, self.columns.trip if self.each == "trip" else None]
        return [name for name in asked if name is not None]

    def problems(self) -> list[str]:
        """Files that are not there, columns they lack, rows that break. Without `input` nothing is asked."""
        if self.input is None:
            return []
        file = Path(self.input)
        found = problems_of("recommend.input", file, self.delimiter, self._named_columns(), self.filled)
        if self.names is not None:
            wanted = {"poi": "poi", "name": "name"}
            found += problems_of("recommend.names", Path(self.names), ",", wanted)
        if self.run is not None and not (Path(self.run) / "manifests.json").is_file():
            found.append(f"recommend.run: {self.run!r} is no folder of a finished run; it holds manifests.json")
        if self.each == "trip" and self.columns.trip is None:
            found.append("recommend.each: trip asks after each trip; give recommend.columns.trip, their column")
        if self.columns.poi is None and (self.columns.latitude is None or self.columns.longitude is None):
            found.append("recommend.columns.poi: give it, or columns.latitude and columns.longitude")
        return found

    def _named_columns(self) -> dict[str, str]:
        named = self.columns.model_dump().items()
        return {f"recommend.columns.{key}": name for key, name in named if name is not None}
