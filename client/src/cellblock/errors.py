"""All errors, by name. Except for the last two, they are those of the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellblock.shared import errors as shared
from cellblock.shared.errors import (
    Abandoned,
    BlobsFull,
    BlobsUnavailable,
    BrokerUnreachable,
    CellblockError,
    CellLost,
    EngineFailed,
    EngineUnfit,
    EngineUnreachable,
    ImageBuildFailed,
    ImageMissing,
    InvalidJob,
    JobError,
    NoLiveOutput,
    OperatorError,
    QueueFull,
    SandboxUnavailable,
)

if TYPE_CHECKING:
    from cellblock.result import Result
    from cellblock.shared.stored import Failure

__all__ = [
    "Abandoned",
    "BlobsFull",
    "BlobsUnavailable",
    "BrokerUnreachable",
    "CellLost",
    "CellblockError",
    "CommandFailed",
    "EngineFailed",
    "EngineUnfit",
    "EngineUnreachable",
    "ImageBuildFailed",
    "ImageMissing",
    "InvalidJob",
    "JobError",
    "NoLiveOutput",
    "OperatorError",
    "QueueFull",
    "SandboxUnavailable",
    "TaskFailed",
    "UnreadableResult",
    "error_of",
]


class CommandFailed(shared.CommandFailed):
    """The command of a job with `check=True` did not succeed; `result` says how it ended."""

    result: Result

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message, result)


class TaskFailed(CellblockError):
    """The task ended with an error of another kind, such as one of Celery's; `name` says which."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message, name)
        self.name = name

    def __str__(self) -> str:
        return str(self.args[0])


class UnreadableResult(CellblockError):
    """What is stored of the job is nothing that this client can read."""


def error_of(failure: Failure) -> CellblockError:
    """The error that is stored of a task. Only names of this module are made into objects."""
    from cellblock.result import read_result

    name, message, rest = failure.name, failure.message, failure.args[1:]
    if name == "CommandFailed" and rest:
        return CommandFailed(message, read_result(rest[0]))
    if name == "QueueFull":
        return QueueFull(message, *filter(_is_number, rest[:1]))
    kind = vars(shared).get(name) if name in shared.__all__ else None
    return kind(message) if kind else TaskFailed(f"The task failed with {name}: {message}", name)


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool)
