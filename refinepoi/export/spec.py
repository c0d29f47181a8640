"""What an exported folder holds. Values in `conf/export`."""

from typing import Literal

from pydantic import Field

from refinepoi.core.spec import Spec


class ExportSpec(Spec):
    dtype: Literal["float32", "bfloat16", "float16"]
    metrics: bool = Field(description="evaluate first and show the test table in the model card")
    example: bool = Field(description="put a prompt of the data into the folder: it tells where a real user has been")
    licence: str | None = Field(min_length=1, description="null: that of the base where it is known")
