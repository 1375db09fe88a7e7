"""The arguments of the tools: their shapes for models, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.mcp.refusal import Refused
from config.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MOST_READ_BYTES",
    "Arguments",
    "CancelArguments",
    "ListArguments",
    "ReadArguments",
    "ResultArguments",
    "RunArguments",
    "WriteArguments",
    "read_arguments",
]

_Path = Annotated[str, Field(description="A path relative to the workspace, such as `src/main.py`.")]
_JobId = Annotated[str | None, Field(description="The id of a job of this session. Left out: the last one.")]

#: The most bytes of a file in one answer.
MOST_READ_BYTES = 256 << 10


class Arguments(BaseModel):
    """What all have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunArguments(Arguments):
    """The arguments of `run`."""

    command: str | None = Field(
        None, description="A shell command, run in the workspace. Give either this or `code`."
    )
    code: str | None = Field(
        None, description="A whole program. It is saved in the workspace and run by `runtime`."
    )
    runtime: str | None = Field(
        None, description="The language, or whose tools are there. Left out: python for code, else bash."
    )
    stdin: str | None = Field(None, description="The standard input.")
    files: dict[str, str] | None = Field(
        None, description="Text files to write into the workspace before, by path."
    )
    timeout_s: float | None = Field(
        None, description="Seconds after which it is stopped. Left out: the runtime's default.", gt=0
    )


class WriteArguments(Arguments):
    """The arguments of `write_file`."""

    path: _Path
    content: str = Field(description="The whole content: text, or base64 with `is_base64`.")
    is_base64: bool = Field(default=False, description="For a file that is not text.")


class ReadArguments(Arguments):
    """The arguments of `read_file`."""

    path: _Path
    offset: int = Field(0, ge=0, le=1 << 40, description="The byte to begin with.")
    length: int = Field(64 << 10, ge=1, le=MOST_READ_BYTES, description="The most bytes to read.")
    as_base64: bool = Field(default=False, description="For a file that is neither text nor an image.")


class ListArguments(Arguments):
    """The arguments of `list_files`."""

    folder: str = Field(".", description="A folder of the workspace. Everything below it is listed.")


class ResultArguments(Arguments):
    """The arguments of `result`."""

    job: _JobId = None


class CancelArguments(Arguments):
    """The arguments of `cancel`."""

    job: _JobId = None


A = TypeVar("A", bound=Arguments)


def read_arguments(model: type[A], given: Mapping[str, Any] | None) -> A:
    """The arguments of a call.

    Raises:
        Refused: one is missing, unknown or of the wrong kind. What was given is not repeated.
    """
    try:
        return model.model_validate(given or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = quoted(".".join(map(str, first["loc"])))
        known = ", ".join(model.model_fields)
        raise Refused(f"{where}: {first['msg']}. The arguments are: {known}.") from None
