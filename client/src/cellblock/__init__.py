"""Runs untrusted commands in cells of cellblock's workers.

    from cellblock import run_sandboxed

    run_sandboxed.delay("echo hi", "bash").get().stdout

`Cellblock` is the same for a given broker. An import opens no connection, reads no settings, and leaves the
app's own Celery alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellblock.client import Cellblock
    from cellblock.errors import (
        Abandoned,
        BlobsFull,
        BlobsUnavailable,
        BrokerUnreachable,
        CellblockError,
        CellLost,
        CommandFailed,
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
        TaskFailed,
        UnreadableResult,
    )
    from cellblock.job import Job
    from cellblock.options import Options, Request, Run
    from cellblock.result import (
        Artifact,
        Limit,
        Result,
        RunResult,
        RunVerdict,
        SkippedArtifact,
        Stage,
        Status,
        Timings,
    )
    from cellblock.shared.entry import LiveEntry
    from cellblock.task import run_sandboxed

__all__ = [
    "Abandoned",
    "Artifact",
    "BlobsFull",
    "BlobsUnavailable",
    "BrokerUnreachable",
    "CellLost",
    "Cellblock",
    "CellblockError",
    "CommandFailed",
    "EngineFailed",
    "EngineUnfit",
    "EngineUnreachable",
    "ImageBuildFailed",
    "ImageMissing",
    "InvalidJob",
    "Job",
    "JobError",
    "Limit",
    "LiveEntry",
    "NoLiveOutput",
    "OperatorError",
    "Options",
    "QueueFull",
    "Request",
    "Result",
    "Run",
    "RunResult",
    "RunVerdict",
    "SandboxUnavailable",
    "SkippedArtifact",
    "Stage",
    "Status",
    "TaskFailed",
    "Timings",
    "UnreadableResult",
    "run_sandboxed",
]

# Where each name is imported from when it is first used. All others are errors.
_PLACES = {
    "Artifact": "result",
    "Cellblock": "client",
    "Job": "job",
    "Limit": "result",
    "LiveEntry": "shared.entry",
    "Options": "options",
    "Request": "options",
    "Result": "result",
    "Run": "options",
    "RunResult": "result",
    "RunVerdict": "result",
    "SkippedArtifact": "result",
    "Stage": "result",
    "Status": "result",
    "Timings": "result",
    "run_sandboxed": "task",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'errors')}"), name)
