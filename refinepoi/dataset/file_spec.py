"""Settings of data that comes in files: where they are, how they are fetched, what their columns mean."""

import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, computed_field, model_validator

from refinepoi.core.spec import Count, Spec
from refinepoi.dataset.files import find_file, fingerprint, first_line, split_header
from refinepoi.dataset.protocol_spec import CleaningSpec, Day, ProtocolSpec, SampleSpec

NAUTICAL = "longitude"
"""Zone by whole hours of longitude, for data that tells no zone."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Remote(Spec):
    """A published file. It is fetched only where its checksum is pinned."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$", description="name in the cache folder")
    sets: Literal["path", "places.path"] = Field(description="the setting it stands in for")
    urls: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://")], ...], BeforeValidator(_as_tuple)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(description="null: not known, not fetched")
    max_bytes: Count = Field(description="a longer answer is refused")
    rows: Count | None = Field(
        description="check-ins the authors count in it; another number is refused; null: unknown"
    )


class FromFiles(Spec):
    """Data outside the project: its content is part of the artifact's identity, not only its path."""

    path: Annotated[str, Field(min_length=1)] | None = Field(description="null: only with download=true")
    download: bool = Field(description="fetch `remote` into `cache` where `path` is null")
    cache: Annotated[str, Field(min_length=1)]
    remote: Annotated[tuple[Remote, ...], BeforeValidator(_as_tuple)]
    by_hand: str = Field(description="how to get the data without `download`")

    def located(self, setting: str, path: str | None) -> Path | None:
        """The file or folder of a setting, in the cache where it is null and `download` is on."""
        if path is not None:
            return Path(path).expanduser()
        remote = next((r for r in self.remote if r.sets == setting), None)
        return self.cached(remote) if self.download and remote else None

    def cached(self, remote: Remote) -> Path:
        return Path(self.cache).expanduser() / self.kind / remote.file  # type: ignore[attr-defined]

    def wanted(self) -> list[Remote]:
        """What `download` has to fetch: pinned files of settings without a path."""
        return [r for r in self.remote if self.download and self._setting(r.sets) is None]

    def _setting(self, name: str) -> str | None:
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part, None)
        return value

    def files(self) -> list[Path]:
        """The files that are there, in a fixed order."""
        raise NotImplementedError

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> dict[str, str]:
        """sha256 of each file, pinned for what is not fetched yet: changed data is never answered from the store."""
        there = {file.name: fingerprint(file) for file in self.files()}
        return there | {r.file: r.sha256 for r in self.wanted() if r.sha256 and r.file not in there}

    @model_validator(mode="before")
    @classmethod
    def _accept_own_dump(cls, value: Any) -> Any:
        """Leaves `fingerprint` out. A list comes as a tuple, since past this point pydantic takes it for Python's."""
        if not isinstance(value, dict):
            return value
        return {k: _as_tuple(v) for k, v in value.items() if k != "fingerprint"}

    def missing_path(self) -> list[str]:
        """Problems of a null path or of `download`."""
        if not self.download:
            fetchable = " or dataset.download=true" if any(r.sha256 for r in self.remote) else ""
            fault = f"dataset.path: has no value; give dataset.path=...{fetchable}. {self.by_hand}"
            return [fault] if self.path is None else []
        if not self.remote and self.path is None:
            return [f"dataset.download: no address is known for {self._name()}. {self.by_hand}"]
        return [
            f"dataset.download: no sha256 is pinned for {r.file}, so it is not fetched. {self.by_hand}"
            for r in self.wanted()
            if r.sha256 is None
        ]

    def _name(self) -> str:
        return str(getattr(self, "kind", "this data"))


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
    header: Annotated[tuple[str, ...] | None, BeforeValidator(_as_tuple)]
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
    header: Annotated[tuple[str, ...] | None, BeforeValidator(_as_tuple)] = Field(
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

    def files(self) -> list[Path]:
        found = []
        for path in (self.checkin_file(), self.place_file()):
            if path is not None and path.is_dir():
                found += sorted(path.glob("*.parquet"))
            elif path is not None and path.is_file():
                found.append(path)
        return found

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        checkins, places = self.checkin_file(), self.place_file()
        awaited = {self.cached(r) for r in self.wanted()}
        there = [f for f in self.files() if f != places]
        if not there and checkins not in awaited:
            return [f"dataset.path: no file '{self.path}'; give a file, plain, .gz, .zip or .parquet. {self.by_hand}"]
        faults = self._column_problems("dataset", there[0], self.columns, self.header) if there else []
        if self.places is not None:
            if places is None or (not places.is_file() and places not in awaited):
                faults.append(f"dataset.places.path: no file '{self.places.path}'. {self.by_hand}")
            elif places.is_file():
                faults += self._column_problems("dataset.places", places, self.places.columns, self.places.header)
        elif self.columns.latitude is None or self.columns.longitude is None:
            faults.append(
                "dataset.columns.latitude: give latitude and longitude columns, or a file of places with them"
            )
        return [*faults, *self._zone_problems()]

    def _column_problems(
        self, key: str, file: Path, columns: Columns | PlaceColumns, header: tuple[str, ...] | None
    ) -> list[str]:
        if file.suffix == ".parquet":
            return []  # read_rows names a missing column; opening parquet takes polars, too heavy for a check
        part = self if key == "dataset" else self.places
        assert part is not None
        line = first_line(file, part.encoding, self.member if key == "dataset" else None)
        if line is None:
            return [f"{key}.path: '{file}' cannot be read as {part.encoding} text; check encoding, ending and member"]
        names = header or split_header(line, part.separator)
        return [
            f"{key}.columns.{column}: no column '{name}' in '{file}'; it has {', '.join(names[:20])}"
            for column, name in columns.model_dump().items()
            if name is not None and name not in names
        ]

    def _zone_problems(self) -> list[str]:
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


class SplitDataset(FromFiles):
    """A published split, taken as it is: three files in the folder (or .zip) `path`, plain or .gz."""

    kind: Literal["nyc", "tky"]
    names: Annotated[tuple[str, str, str], BeforeValidator(_as_tuple)] = Field(description="train, validation, test")
    cleaning: CleaningSpec
    protocol: SampleSpec

    def files(self) -> list[Path]:
        place = self.located("path", self.path)
        if place is not None and place.is_file():
            return [place]
        found = [find_file(place, name) for name in self.names] if place else []
        return [file for file in found if file is not None]

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        place = self.located("path", self.path)
        *first, last = self.names
        remedy = f"give the folder that holds {', '.join(first)} and {last}, plain or .gz"
        if place is None or place in {self.cached(r) for r in self.wanted()} or place.is_file():
            return []
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

    def files(self) -> list[Path]:
        paths = self.located("path", self.path), self.located("places.path", self.places.path)
        return [path for path in paths if path is not None and path.is_file()]

    def problems(self) -> list[str]:
        if faults := self.missing_path():
            return faults
        settings = (("path", self.path), ("places.path", self.places.path))
        there = set(self.files())
        return [
            f"dataset.{setting}: no file '{value}'. {self.by_hand}"
            for setting, value in settings
            if self.located(setting, value) not in there
        ]
