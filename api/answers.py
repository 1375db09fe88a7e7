"""What the API answers: its shapes for OpenAPI, and the responses themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

if TYPE_CHECKING:
    pass

__all__ = ["Health", "Job", "JobError", "ProblemBody", "RuntimeList", "StoredBlob", "json_response"]


class JobError(BaseModel):
    """Why a job has no result, or, with `check`, that its command did not succeed."""

    name: str = Field(description="The name of the error, such as `InvalidJob`.", examples=["InvalidJob"])
    message: str = Field(description="One sentence.")


class Job(BaseModel):
    """A job. `result` and `error` are there once its state is `done`."""

    id: str = Field(description="By this it is found.", examples=["3f2b8c1e-8d0a-4d5e-9a55-0f6f4a1f9d10"])
    state: Literal["queued", "running", "done"] = Field(
        description="`queued` also between two attempts; `done` however it ended."
    )
    result: dict[str, Any] | None = Field(
        None,
        description="The job's result, as every app gets it.",
        examples=[{"status": "succeeded", "exit_code": 0, "stdout": "42\n", "stderr": ""}],
    )
    error: JobError | None = Field(None, description="Null for a job that has a result.")


class RuntimeAbout(BaseModel):
    """A runtime that jobs may name."""

    name: str = Field(examples=["python"])
    aliases: list[str] = Field(description="Other names of it.", examples=[["py", "python3"]])
    extensions: list[str] = Field(description="The files that it owns.", examples=[[".py"]])
    limits: dict[str, float | None] = Field(
        description="The limits of its jobs where they ask for none: seconds, bytes, cores. Null: none.",
        examples=[{"timeout": 30, "memory": 536870912}],
    )


class RuntimeList(BaseModel):
    """All runtimes."""

    runtimes: list[RuntimeAbout]


class StoredBlob(BaseModel):
    """A content that is stored."""

    ref: str = Field(
        description="Its name: in a job's `files`, or as its `workspace`.",
        pattern="^sha256:[0-9a-f]{64}$",
        examples=["sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"],
    )
    size: int = Field(description="Its bytes.", examples=[3])


class Health(BaseModel):
    """The API answers, and so does Redis."""

    status: Literal["ok"]


class ProblemBody(BaseModel):
    """A problem, as RFC 9457 has it."""

    type: str = Field(examples=["urn:cellblock:problem:invalid-job"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(
        description="One sentence that says what is wrong and what to try.",
        examples=["timeout=5000 s is above the maximum of 600 s that the operator allows."],
    )


def json_response(content: str | bytes | bytearray, status: int = 200, **headers: str) -> Response:
    """A response with JSON, which nobody may keep."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        bytes(content) if isinstance(content, bytearray) else content,
        status,
        {"Cache-Control": "no-store", **named},
        "application/json",
    )
