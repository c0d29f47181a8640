"""Settings of user profiles. Values in `conf/profile`."""

import os
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from refinepoi.core.model_folder import content_of, folder_problems
from refinepoi.core.spec import Count, NonNegative, Positive, Spec


class NoProfiles(Spec):
    """Prompts say nothing of the user but visits."""

    kind: Literal["off"]


class Profile(Spec):
    """What all profiles have."""

    refresh_days: Count | None = Field(
        description="a profile is made anew after so many days, of earlier training check-ins, and a query is told the "
        "latest one before it; null: one of the whole training period, which tells training queries of their future"
    )
    least_visits: Count = Field(description="users with fewer training check-ins so far have no profile")
    words: Count = Field(description="longest profile; less important sentences are left out")


class TemplateProfiles(Profile):
    """Sentences filled with a user's own figures."""

    kind: Literal["template"]


PATIENCE = {"key_variable", "timeout", "retries", "parallel"}
"""How a server is asked, which changes no answer."""


class Endpoint(Spec):
    """An OpenAI-compatible server: POST `url`/chat/completions."""

    kind: Literal["endpoint"]
    url: str = Field(pattern=r"^https?://", description="up to and with /v1")
    model: str = Field(min_length=1)
    key_variable: str | None = Field(description="environment variable that holds the key; null: none is sent")
    timeout: Positive = Field(description="seconds")
    retries: int = Field(ge=0, description="after the first try, with growing pauses")
    parallel: Count = Field(description="questions at a time")

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:  # of the whole model: a refusal of the field would repeat its value
        if "@" in urlsplit(self.url).netloc:
            raise ValueError(
                "url names a user or key before the @, which settings and logs would keep; leave it out and give "
                "key_variable, the name of an environment variable that holds the key"
            )
        return self

    def identity(self) -> Any:
        """Without how patiently it is asked."""
        return self.model_dump(mode="json", exclude=PATIENCE)

    def problems(self) -> list[str]:
        if self.key_variable is None or os.environ.get(self.key_variable):
            return []
        return [
            f"profile.writer.key_variable: the environment has no {self.key_variable}; set it to the server's key, or "
            "give null where it wants none"
        ]


class LocalWriter(Spec):
    """A Hugging Face causal LM folder."""

    kind: Literal["local"]
    path: str = Field(min_length=1)

    def identity(self) -> Any:
        """A folder is known by what it holds, not by where it lies."""
        content = content_of(self.path)
        return {"kind": self.kind, "content": content} | ({} if content else {"path": self.path})


class LlmProfiles(Profile):
    """A language model's words on the same figures and the latest check-ins."""

    kind: Literal["llm"]
    writer: Annotated[Endpoint | LocalWriter, Field(discriminator="kind")]
    visits: int = Field(ge=0, description="latest training check-ins that the model reads")
    temperature: NonNegative = Field(description="0: greedy")
    answer_tokens: Count = Field(description="longest answer, in the writer's tokens")

    def identity(self) -> Any:
        return self.model_dump(mode="json") | {"writer": self.writer.identity()}

    def problems(self) -> list[str]:
        """What can be seen without asking."""
        if isinstance(self.writer, LocalWriter):
            return folder_problems("profile.writer.path", self.writer.path)
        return self.writer.problems()


ProfileSpec = Annotated[NoProfiles | TemplateProfiles | LlmProfiles, Field(discriminator="kind")]
