"""Settings of data that comes in files: what is in which file, and what its columns mean."""

import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from refinepoi.core.errors import DataError
from refinepoi.core.spec import Spec
from refinepoi.dataset.files import find_file, first_line, split_header
from refinepoi.dataset.protocol_spec import CleaningSpec, Day, Listed, ProtocolSpec, SampleSpec
from refinepoi.dataset.remote_spec import FromFiles
from refinepoi.dataset.time_format import NAUTICAL, tells_utc


class Columns(Spec):
    """Names of the file's columns. The optional ones may be null."""

    user: str
    poi: str
    latitude: str | None = Field(description="null: the `places` file tells")
    longitude: str | None
    time: str
    category: str | None
    category_id: str | None
    timezone: str | None = Field(description="minutes from UTC, or names such as America/Phoenix")


class PlaceColumns(Spec):
    """Names of the columns of the file of places. The optional ones may be null."""

    poi: str
    latitude: str | None
    longitude: str | None
    category: str | None
    category_id: str | None


class Places(Spec):
    """A second file that tells categories (and places) of POIs; its values fill what the check-ins lack."""

    path: Annotated[str, Field(min_length=1)] | None
    columns: PlaceColumns
    separator: Literal[",", ";", "tab", "|"]
    encoding: Literal["utf-8", "latin-1"]
    header: Annotated[tuple[str, ...] | None, Listed]
    category_format: Literal["plain", "gowalla"] = Field(
        description="gowalla: a list of {'url': '/categories/89', 'name': 'Craft Shop'}, of which the first is taken"
    )
    required: bool = Field(description="drop check-ins at POIs that this file does not name")


class TextDataset(FromFiles):
    """Check-ins in one file, a line (or parquet row) each, by column mapping. Plain, .gz, .zip or .parquet."""

    kind: Literal["csv", "nyc_raw", "tky_raw", "gowalla", "brightkite", "ca", "massive_steps"]
    name: Annotated[str, Field(min_length=1)] = Field(description="what to call the data in tables")
    member: str | None = Field(description="the file inside a .zip that holds several; null: the only one")
    columns: Columns
    separator: Literal[",", ";", "tab", "|"]
    encoding: Literal["utf-8", "latin-1"]
    header: Annotated[tuple[str, ...] | None, Listed] = Field(
        description="column names of a file without a header line; null: line 1"
    )
    time_format: str = Field(min_length=2, description="strftime codes, or `epoch` for seconds since 1970")
    time_is: Literal["utc", "local"] = Field(description="which clock the time column shows, where it does not say")
    timezone: str | None = Field(
        description="where no column tells: zone name, minutes from UTC, or `longitude`: 15 degrees an hour"
    )
    places: Places | None
    region: Literal["california_nevada"] | None = Field(description="keep check-ins inside; null: all")
    cleaning: CleaningSpec
    protocol: ProtocolSpec

    def checkin_file(self) -> Path | None:
        return self.located("path", self.path)

    def place_file(self) -> Path | None:
        return self.located("places.path", self.places.path) if self.places else None

    def by_role(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for role, path in (("path", self.checkin_file()), ("places.path", self.place_file())):
            if path is not None and path.is_dir():
                found |= {f"{role}/{file.name}": file for file in sorted(path.glob("*.parquet"))}
            elif path is not None and path.is_file():
                found[role] = path
        return found

    def checkin_files(self) -> list[Path]:
        return [file for role, file in self.by_role().items() if role.split("/")[0] == "path"]

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        checkins, places = self.checkin_file(), self.place_file()
        awaited = {self.cached(r) for r in self.wanted()}
        there = self.checkin_files()
        if not there and checkins not in awaited:
            return [f"dataset.path: no file '{self.path}'; give a file, plain, .gz, .zip or .parquet. {self.by_hand}"]
        faults = self._column_problems("dataset", there[0], self.columns, self.header) if there else []
        if self.places is not None:
            if places is None or (not places.is_file() and places not in awaited):
                faults.append(f"dataset.places.path: no file '{self.places.path}'. {self.by_hand}")
            elif places == checkins:
                faults.append("dataset.places.path: is the file of check-ins; give another, or dataset.places=null")
            elif places.is_file():
                faults += self._column_problems("dataset.places", places, self.places.columns, self.places.header)
        elif self.columns.latitude is None or self.columns.longitude is None:
            faults.append(
                "dataset.columns.latitude: give latitude and longitude columns, or a file of places with them"
            )
        return [*faults, *self._doubled_columns(), *self._zone_problems()]

    def _doubled_columns(self) -> list[str]:
        named = {key: getattr(self.columns, key) for key in ("user", "poi", "latitude", "longitude", "time")}
        return [
            f"dataset.columns.{key}: is column '{name}', as dataset.columns.{other}; name the column of each"
            for n, (key, name) in enumerate(named.items())
            for other in list(named)[:n]
            if name is not None and name == named[other]
        ]

    def _column_problems(
        self, key: str, file: Path, columns: Columns | PlaceColumns, header: tuple[str, ...] | None
    ) -> list[str]:
        if file.suffix == ".parquet":
            return []  # read_rows names a missing column; opening parquet takes polars, too heavy for a check
        part = self if key == "dataset" else self.places
        assert part is not None
        try:
            line = first_line(file, part.encoding, self.member if key == "dataset" else None)
        except DataError as error:
            return [f"{key}.path: {error}"]
        if line is None:
            return [f"{key}.path: '{file}' cannot be read as {part.encoding} text; check {key}.encoding"]
        names = list(header or split_header(line, part.separator))
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            return [f"{key}.header: '{file}' has two columns '{doubled[0]}'; mend its first line, or give {key}.header"]
        return [
            f"{key}.columns.{column}: no column '{name}' in '{file}'; it has {', '.join(names[:20])}{_hint(column)}"
            for column, name in columns.model_dump().items()
            if name is not None and name not in names
        ]

    def _zone_problems(self) -> list[str]:
        if self.time_is == "local" and tells_utc(self.time_format):
            return [
                f"dataset.time_is: local, but times of dataset.time_format={self.time_format!r} tell UTC; give "
                "dataset.time_is=utc, or a time_format without %z, Z or epoch"
            ]
        if (self.columns.timezone is None) == (self.timezone is None):
            return [
                "dataset.timezone: give this (all rows) or dataset.columns.timezone (a column), exactly one of them"
            ]
        if self.timezone in (None, NAUTICAL) or re.fullmatch(r"[+-]?\d{1,4}", self.timezone or ""):
            return []
        known = zoneinfo.available_timezones()
        if known and self.timezone not in known:
            return [f"dataset.timezone: no zone '{self.timezone}'; give a name such as America/Phoenix, or minutes"]
        return []


def _hint(column: str) -> str:
    if column != "timezone":
        return ""
    return "; where no column tells, give dataset.columns.timezone=null dataset.timezone=America/New_York, say"


def _published(value: Any) -> Any:
    """A preset of `dataset/protocol` cuts and splits raw check-ins, and says so."""
    if isinstance(value, dict) and "split" in value:
        raise ValueError(
            "a published split is taken as it is; choose samples with dataset.protocol.samples=sthgcn, llm4poi or gnpr "
            "instead of dataset/protocol, or split raw check-ins (dataset=nyc_raw)"
        )
    return value


class SplitDataset(FromFiles):
    """A published split, taken as it is: three files in the folder (or .zip) `path`, plain or .gz."""

    kind: Literal["nyc", "tky"]
    names: Annotated[tuple[str, str, str], Listed] = Field(description="train, validation, test")
    cleaning: CleaningSpec
    protocol: Annotated[SampleSpec, BeforeValidator(_published)]

    def by_role(self) -> dict[str, Path]:
        place = self.located("path", self.path)
        if place is not None and place.is_file():
            return {"path": place}
        found = {name: find_file(place, name) for name in self.names} if place else {}
        return {f"path/{name}": file for name, file in found.items() if file is not None}

    def checkins(self) -> set[tuple[str, str]]:
        if set(self.fingerprint) != {"path"}:
            return super().checkins()
        return {(self.fingerprint["path"], name) for name in self.names}

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        place = self.located("path", self.path)
        *first, last = self.names
        remedy = f"give the folder that holds {', '.join(first)} and {last}, plain or .gz, or the .zip of all three"
        if place is None or place in {self.cached(r) for r in self.wanted()}:
            return []
        if place.is_file():
            return [] if place.suffix == ".zip" else [f"dataset.path: '{self.path}' is one file, no .zip; {remedy}"]
        if not place.is_dir():
            return [f"dataset.path: no folder '{self.path}'; {remedy}"]
        missing = [name for name in self.names if find_file(place, name) is None]
        return [f"dataset.path: no {', '.join(missing)} in '{self.path}'; {remedy}"] if missing else []


class LbsnDataset(FromFiles):
    """LBSN2Vec's `dataset_connected_CITY.mat` with `raw_POIs.txt` for places (docs/data.md says what it lacks)."""

    kind: Literal["lbsn2vec"]
    name: Annotated[str, Field(min_length=1)]
    places: Places
    monday: Day = Field(description="the made-up first week begins on this day")
    cleaning: CleaningSpec
    protocol: ProtocolSpec

    def by_role(self) -> dict[str, Path]:
        paths = {role: self.located(role, value) for role, value in self._settings().items()}
        return {role: path for role, path in paths.items() if path is not None and path.is_file()}

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        there = self.by_role()
        return [
            f"dataset.{setting}: no file '{value}'. {self.by_hand}"
            for setting, value in self._settings().items()
            if setting not in there
        ]

    def _settings(self) -> dict[str, str | None]:
        return {"path": self.path, "places.path": self.places.path}
