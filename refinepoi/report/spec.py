"""What is compared and how it is written. Nothing here enters an artifact's key."""

from typing import Annotated, Literal

from pydantic import Field

from refinepoi.core.errors import UserError
from refinepoi.core.spec import Spec
from refinepoi.report.find import run_folders

Format = Literal["html", "markdown", "latex", "csv"]


class ReportSpec(Spec):
    runs: tuple[Annotated[str, Field(min_length=1)], ...] = Field(description="folders or globs, as in `run_folders`")
    reference: str | None = Field(description="folder of a run of `runs`; null: the first configuration")
    metric: str = Field(min_length=1, description="as the tables name it: MRR, Acc@1 ...")
    resamples: int = Field(ge=100, description="bootstrap resamples")
    confidence: float = Field(gt=0, lt=1)
    unit: Literal["sample", "user"] = Field(description="what the bootstrap draws")
    seed: int = Field(ge=0)
    formats: tuple[Format, ...] = Field(min_length=1)

    def problems(self) -> list[str]:
        """Folders that are no runs, said before anything starts."""
        found = []
        for key, names in (("runs", self.runs), ("reference", (self.reference,) if self.reference else ())):
            for name in names:
                try:
                    run_folders([name])
                except UserError as error:
                    found.append(f"report.{key}: {error}")
        return found
