"""The cell: jobs, limits, results, and the engines that run them. Knows no Celery and no Redis."""

from sandbox.errors import (
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
)
from sandbox.job import Job, parse_job
from sandbox.limits import Limits
from sandbox.observer import Observer, together
from sandbox.result import Result, Status
from sandbox.sandbox import Sandbox

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
    "Job",
    "JobError",
    "Limits",
    "NoLiveOutput",
    "Observer",
    "OperatorError",
    "QueueFull",
    "Result",
    "Sandbox",
    "SandboxUnavailable",
    "Status",
    "parse_job",
    "together",
]
