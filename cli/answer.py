"""Validates the result of a job from Redis, because anyone who reaches Redis can write one."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Answer", "AnsweredRun", "Artifact", "Skipped", "UnreadableResult", "read_answer"]


def _encodable(text: str) -> str:
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Count = Annotated[int, Field(ge=0, le=1 << 62)]
Status = Literal["succeeded", "failed", "signaled", "timed_out", "out_of_memory", "output_limit", "cancelled"]
Verdict = Literal["accepted", "wrong_answer"] | None
Ref = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Code = Annotated[int, Field(ge=0, le=255)]


class UnreadableResult(ValueError):
    """The value that is stored as a job's result is not a result."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Artifact(_Part):
    """A file that the job left: its content, or the ref of its blob."""

    size: Count
    base64: str = ""
    ref: Ref | None = None

    @property
    def content(self) -> bytes:
        """The bytes of the file.

        Raises:
            ValueError: they are damaged, or not of the given size.
        """
        try:
            content = base64.b64decode(self.base64, validate=True)
        except binascii.Error:
            raise ValueError("its content is damaged") from None
        if len(content) != self.size:
            raise ValueError("its content is not of the size that is given")
        return content


class Skipped(_Part):
    """A file that was not brought back."""

    path: str
    reason: str


class AnsweredRun(_Part):
    """The part of a run's result that is shown; each field is as in `sandbox.result.RunResult`."""

    name: str
    status: Status
    verdict: Verdict
    limit: str | None
    duration: float
    cpu_seconds: float | None
    memory_peak: Count | None


class Answer(_Part):
    """The part of a result that is shown; each field is as in `sandbox.Result`."""

    status: Status
    exit_code: Code | None
    signal: str | None = None
    limit: str | None = None
    stdout: Text
    stderr: Text
    stdout_bytes: Count
    stderr_bytes: Count
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    stage: str = "run"
    engine: str = ""
    artifacts: dict[str, Artifact] = Field(default_factory=dict)
    artifacts_skipped: list[Skipped] = Field(default_factory=list)
    artifacts_unnamed: Count = 0
    compile_output: Text = ""
    verdict: Verdict = None
    runs: list[AnsweredRun] = Field(default_factory=list)

    @property
    def answered_wrongly(self) -> bool:
        """Whether a run has not written what was expected."""
        return any(run.verdict == "wrong_answer" for run in self.runs)

    workspace: Ref | None = None
    workspace_skipped: str | None = None

    @model_validator(mode="after")
    def _code_is_of_its_status(self) -> Answer:
        if self.status == "succeeded" and self.exit_code != 0:
            raise ValueError("a job that succeeded has exit code 0")
        if self.status in ("failed", "signaled") and self.exit_code == 0:
            raise ValueError("a job that failed has no exit code 0")
        return self


def read_answer(value: Any) -> Answer:  # noqa: ANN401  whatever is stored there
    """The result in `value`.

    Raises:
        UnreadableResult: it is not a result, or a part of it is invalid.
    """
    try:
        return Answer.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise UnreadableResult(
            f"What is stored is no result of a job ({where[:100]}): somebody else has written it."
        ) from None
