"""Everything that can go wrong, by whose fault it is and whether trying again can help.

    CellblockError
    ├── JobError                    the job's fault: never retried
    │   ├── InvalidJob              the request makes no sense or asks for more than the operator allows
    │   ├── CommandFailed           check=True, and the command did anything but succeed
    │   └── Abandoned               begun as often as is allowed, and each time its worker died of it
    ├── OperatorError               the installation's fault: somebody has to mend it
    │   ├── BrokerUnreachable       Redis does not answer, or does not let us in
    │   ├── ImageBuildFailed        a runtime's image cannot be built here
    │   └── NoLiveOutput            the result backend cannot keep what jobs write while they run
    └── SandboxUnavailable          the sandbox could not do its job: retried with back-off
        ├── EngineUnreachable       no answer from the container engine, or no permission to ask
        ├── EngineFailed            the engine answered that it cannot
        │   └── EngineUnfit             nor could it for any other job: no disk left, no containerd
        ├── ImageMissing            neither the named image nor the locally built one is here
        └── CellLost                the cell ended in a way that says nothing about the job

`config.InvalidSetting` stands beside the tree, on the floor below: the operator's fault, found at start.
Each exception keeps its arguments in `args`, so that it survives JSON and pickle.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "Abandoned",
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
    "SandboxUnavailable",
]


class CellblockError(Exception):
    """The root: whatever cellblock raises on purpose."""


class JobError(CellblockError):
    """The job's fault. Trying again gives the same."""


class InvalidJob(JobError):
    """The request is refused: one sentence says what is wrong with it. No cell was made."""


class CommandFailed(JobError):
    """The command of a job with `check=True` did anything but succeed; `result` says what it did."""

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message, result)
        self.result = result or {}

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        """Without the result: Celery logs an exception by its repr, and outputs stay out of the logs."""
        return f"{type(self).__name__}({self.args[0]!r})"


class Abandoned(JobError):
    """Begun as often as is allowed, and each time its worker was gone before the end."""


class OperatorError(CellblockError):
    """The installation's fault. It fails until somebody mends it."""


class BrokerUnreachable(OperatorError):
    """The broker or the result backend does not answer, or does not let us in."""


class ImageBuildFailed(OperatorError):
    """A runtime's image cannot be built on this machine; the message says what is missing."""


class NoLiveOutput(OperatorError):
    """Live output needs Redis as the result backend, and there is another."""


class SandboxUnavailable(CellblockError):
    """The sandbox could not do its job, through no fault of the job: it may be tried again."""


class EngineUnreachable(SandboxUnavailable):
    """The container engine does not answer, or this user may not talk to it."""


class EngineFailed(SandboxUnavailable):
    """The container engine refused or failed a request that it should have carried out."""


class EngineUnfit(EngineFailed):
    """The container engine answers, and can make no cell for anybody until somebody mends it."""


class ImageMissing(SandboxUnavailable):
    """There is no image for the job's runtime on this engine."""


class CellLost(SandboxUnavailable):
    """The cell ended in a way that tells nothing about the job, such as a removal by somebody else."""
