"""All errors, by whose fault they are and whether a retry can help.

    CellblockError
    ├── JobError                    the job's fault: never retried
    │   ├── InvalidJob              the request makes no sense or asks for more than the operator allows
    │   ├── CommandFailed           check=True, and the command did not succeed
    │   └── Abandoned               begun as often as is allowed, and each time its worker was gone
    ├── OperatorError               the installation's fault: an operator has to fix it
    │   ├── BrokerUnreachable       broker or result backend does not answer, or refuses access
    │   ├── ImageBuildFailed        a runtime's image cannot be built here
    │   ├── QueueFull               as many jobs wait as the operator allows: send it again later
    │   ├── BlobsFull               the blob store holds as much as the operator allows
    │   └── NoLiveOutput            the result backend cannot keep what jobs write while they run
    └── SandboxUnavailable          the sandbox could not run the job: retried with back-off
        ├── EngineUnreachable       no answer from the container engine, or no permission to ask
        ├── EngineFailed            the engine answered, and refused or failed a request
        │   └── EngineUnfit             it can make no cell for any job: no disk left, no containerd
        ├── ImageMissing            neither the named image nor the locally built one is here
        ├── BlobsUnavailable        the blob store does not answer, or refuses access
        └── CellLost                the cell ended in a way that says nothing about the job

`config.InvalidSetting` is not in this tree: it is of a lower layer. The operator's fault, found at start.
Each exception keeps its arguments in `args`, so that it survives JSON and pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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
]


class CellblockError(Exception):
    """The base class of all errors that cellblock raises on purpose."""


class JobError(CellblockError):
    """The job's fault. A retry would give the same error."""


class InvalidJob(JobError):
    """The request is refused: one sentence says what is wrong with it. Its command was not run."""


class CommandFailed(JobError):
    """The command of a job with `check=True` did not succeed; `result` says how it ended."""

    def __init__(self, message: str, result: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, result)
        self.result: Mapping[str, Any] = result or {}

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        """Without the result: Celery logs an exception by its repr, and outputs stay out of the logs."""
        return f"{type(self).__name__}({self.args[0]!r})"


class Abandoned(JobError):
    """The job was begun as often as is allowed, and each time its worker was gone before the job ended."""


class OperatorError(CellblockError):
    """The installation's fault. It fails again until an operator fixes it."""


class BrokerUnreachable(OperatorError):
    """The broker or the result backend does not answer, or refuses access."""


class ImageBuildFailed(OperatorError):
    """A runtime's image cannot be built on this machine; the message says what is missing."""


class QueueFull(OperatorError):
    """As many jobs wait as the operator allows. Send the job again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class BlobsFull(OperatorError):
    """The blob store holds as much as the operator allows, in all or for this tenant. Blobs expire."""


class NoLiveOutput(OperatorError):
    """Live output needs Redis as the result backend, but another one is configured."""


class SandboxUnavailable(CellblockError):
    """The sandbox could not run the job, through no fault of the job. The job may be tried again."""


class EngineUnreachable(SandboxUnavailable):
    """The container engine does not answer, or this user may not talk to it."""

    #: Whether nobody was there to answer. Otherwise the engine may be there and have failed this one request,
    #: perhaps because of the job. Such a job must not be tried without end.
    is_absent = False

    @classmethod
    def absent(cls, message: str) -> EngineUnreachable:
        """The error for an engine that is certainly not there."""
        error = cls(message)
        error.is_absent = True
        return error


class EngineFailed(SandboxUnavailable):
    """The container engine refused or failed a request that it should have carried out."""


class EngineUnfit(EngineFailed):
    """The container engine answers, but it can make no cell for any job until an operator fixes it."""


class ImageMissing(SandboxUnavailable):
    """There is no image for the job's runtime on this engine."""


class BlobsUnavailable(SandboxUnavailable):
    """The blob store does not answer, or refuses access or a request."""


class CellLost(SandboxUnavailable):
    """The cell ended in a way that tells nothing about the job, such as a removal by somebody else."""
