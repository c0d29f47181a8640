"""What the dataset part of a run is made of: source, checks of rows, protocol (docs/method.md section 4)."""

import re
import zoneinfo
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, computed_field, model_validator

from refinepoi.core.spec import Count, NonNegative, Positive, Share, Spec
from refinepoi.dataset.files import PUBLISHED, find_file, fingerprint, first_line, split_header


def _check_day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day written YYYY-MM-DD, such as 2012-04-01") from None
    return text


Day = Annotated[str, AfterValidator(_check_day)]


class CleaningSpec(Spec):
    """What happens to rows that cannot be used. They are always counted and the first ones listed."""

    max_bad_share: Share = Field(description="refuse the data beyond this share of unusable rows")
    max_duplicate_share: Share = Field(description="refuse the data beyond this share of exact duplicates")
    exact_duplicates: Literal["drop", "keep"] = Field(description="same user, POI and second: keep the first, or all")
    earliest: Day = Field(description="a check-in before this day (UTC) is unusable")
    latest: Day = Field(description="a check-in on or after this day (UTC) is unusable")
    listed: int = Field(ge=0, description="rows listed in the report, for each reason")


class SampleSpec(Spec):
    """Which check-ins are asked for."""

    samples: Literal["sthgcn", "llm4poi"]
    train_queries: Literal["last", "every"] = Field(description="train samples: last visits, or all but the first")


class ProtocolSpec(SampleSpec):
    """From check-ins to split trajectories, in this order."""

    near_duplicate_minutes: NonNegative = Field(
        description="drop a check-in sooner than this at the same POI again; 0: off"
    )
    min_poi_checkins: Count
    min_user_checkins: Count
    passes: int = Field(ge=0, description="rounds of the two minimum counts, POIs first; 0: until nothing changes")
    split_rows: Literal["all", "kept"] = Field(
        description="count the shares of the split over all rows or the kept ones"
    )
    train_share: Share = Field(gt=0, description="first part of all check-ins by time")
    validation_share: Share = Field(description="next part; the rest is the test split")
    isolation_hours: NonNegative = Field(description="drop a visit farther than this from both neighbours; 0: off")
    gap_hours: Positive = Field(description="a longer pause starts a new trajectory")
    min_trajectory: Count = Field(description="shorter trajectories are dropped")

    @model_validator(mode="after")
    def _leaves_a_test_split(self) -> Self:
        if self.train_share + self.validation_share >= 1:
            raise ValueError(
                f"train_share + validation_share is {self.train_share + self.validation_share:g}: "
                "nothing is left for test; lower one of them"
            )
        return self


class CityModel(Spec):
    """The simulated city (docs/city.md). Distances in km, times in hours."""

    users: Count
    pois: int = Field(ge=25, description="places; at least one of each kind")
    days: int = Field(ge=7)
    start: Day = Field(description="first day, local time")
    utc_offset_hours: float = Field(ge=-12, le=14)
    centre: tuple[float, float] = Field(description="latitude, longitude")
    radius_km: Positive = Field(description="distance of the outermost neighbourhood from the centre")
    neighbourhoods: Count
    active_share: Annotated[float, Field(gt=0, lt=1)] = Field(description="share of days with check-ins")
    spell_days: Annotated[float, Field(ge=1)] = Field(description="mean length of a run of active days")
    routines: Count = Field(description="mean number of weekly habits of a person")
    routine_rate: Share = Field(description="mean chance that a habit due on an active day is followed")
    fidelity: Share = Field(description="mean chance that a habit goes to its usual place")
    habit_days: Positive = Field(description="life of a habit that comes and goes; 4 in 10 stay for good")
    punctuality_hours: NonNegative = Field(description="standard deviation of a habit's hour")
    impulses: NonNegative = Field(description="mean number of check-ins a day without a habit")
    follow_ups: Share = Field(description="chance that a check-in is soon followed by one near by")
    follow_up_hours: Positive = Field(description="mean time until then")
    explore: Share = Field(description="rho of exploration and preferential return: P(new) = rho * places ** -gamma")
    explore_decay: NonNegative = Field(description="gamma")
    distance_km: Positive = Field(description="scale of the distance decay")
    popularity: NonNegative = Field(description="standard deviation of the log popularity of places")


class CityDataset(Spec):
    kind: Literal["city"]
    seed: int = Field(ge=0)
    city: CityModel
    cleaning: CleaningSpec
    protocol: ProtocolSpec

    def problems(self) -> list[str]:
        return []


class _FromFiles(Spec):
    """Data outside the project: its content is part of the artifact's identity, not only its path."""

    path: Annotated[str, Field(min_length=1)]

    def files(self) -> list[Path]:
        raise NotImplementedError

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> dict[str, str]:
        """sha256 of each file, so that changed data is never answered from the store. Empty where files are missing."""
        return {file.name: fingerprint(file) for file in self.files()}

    @model_validator(mode="before")
    @classmethod
    def _accept_own_dump(cls, value: Any) -> Any:
        """Leaves `fingerprint` out. A list comes as a tuple, since past this point pydantic takes it for Python's."""
        if not isinstance(value, dict):
            return value
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k != "fingerprint"}


class NycDataset(_FromFiles):
    """The published split: `NYC_train.csv`, `NYC_val.csv`, `NYC_test.csv`, plain or .gz, in the folder `path`."""

    kind: Literal["nyc"]
    cleaning: CleaningSpec
    protocol: SampleSpec

    def files(self) -> list[Path]:
        found = [find_file(Path(self.path).expanduser(), name) for name in PUBLISHED]
        return [file for file in found if file is not None]

    def problems(self) -> list[str]:
        folder = Path(self.path).expanduser()
        remedy = "give the folder that holds NYC_train.csv, NYC_val.csv and NYC_test.csv, plain or .gz"
        if not folder.is_dir():
            return [f"dataset.path: no folder '{self.path}'; {remedy}"]
        missing = [name for name in PUBLISHED if find_file(folder, name) is None]
        return [f"dataset.path: no {', '.join(missing)} in '{self.path}'; {remedy}"] if missing else []


class Columns(Spec):
    """Names of the file's columns. The optional ones may be null."""

    user: str
    poi: str
    latitude: str
    longitude: str
    time: str
    category: str | None
    category_id: str | None
    timezone: str | None = Field(description="minutes from UTC, or names such as America/Phoenix")


class CsvDataset(_FromFiles):
    """Anybody's check-ins: one file with a line for each, plain or .gz."""

    kind: Literal["csv"]
    name: Annotated[str, Field(min_length=1)] = Field(description="what to call the data in tables")
    columns: Columns
    separator: Literal[",", ";", "tab", "|"]
    encoding: Literal["utf-8", "latin-1"]
    header: tuple[str, ...] | None = Field(description="column names of a file without a header line; null: line 1")
    time_format: str = Field(min_length=2, description="strftime codes, or `epoch` for seconds since 1970")
    time_is: Literal["utc", "local"] = Field(description="which clock the time column shows, where it does not say")
    timezone: str | None = Field(description="zone name or minutes from UTC for all rows, where no column tells")
    cleaning: CleaningSpec
    protocol: ProtocolSpec

    def files(self) -> list[Path]:
        file = Path(self.path).expanduser()
        return [file] if file.is_file() else []

    def problems(self) -> list[str]:
        if not self.files():
            return [f"dataset.path: no file '{self.path}'; give a CSV file, plain or .gz"]
        return [*self._column_problems(), *self._zone_problems()]

    def _column_problems(self) -> list[str]:
        line = first_line(self.files()[0], self.encoding)
        if line is None:
            return [
                f"dataset.path: '{self.path}' cannot be read as {self.encoding} text; check encoding and .gz ending"
            ]
        names = self.header or split_header(line, self.separator)
        wanted = {k: v for k, v in self.columns.model_dump().items() if v is not None}
        return [
            f"dataset.columns.{key}: no column '{name}' in '{self.path}'; it has {', '.join(names[:20])}"
            for key, name in wanted.items()
            if name not in names
        ]

    def _zone_problems(self) -> list[str]:
        if (self.columns.timezone is None) == (self.timezone is None):
            return [
                "dataset.timezone: give this (all rows) or dataset.columns.timezone (a column), exactly one of them"
            ]
        if self.timezone is None or re.fullmatch(r"[+-]?\d{1,4}", self.timezone):
            return []
        known = zoneinfo.available_timezones()
        if known and self.timezone not in known:
            return [f"dataset.timezone: no zone '{self.timezone}'; give a name such as America/Phoenix, or minutes"]
        return []


DatasetSpec = Annotated[CityDataset | NycDataset | CsvDataset, Field(discriminator="kind")]
