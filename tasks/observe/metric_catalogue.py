"""Every metric of a worker and of the API: name, kind, labels, meaning. The reference page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["API", "METRICS", "SAMPLED", "Kind", "Metric"]


class Kind(StrEnum):
    """The type of a metric in Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. The label values in `known` start at 0, so that Prometheus sees their first increase."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()


_ENDING = ("runtime", "status")
# Errors that need an alert even the first time. Without a 0 before it, Prometheus sees no increase.
_GIVEN_UP = ("EngineUnreachable", "EngineFailed", "ImageMissing", "CellLost", "Abandoned", "WorkerLostError")

#: What the worker's processes and its keeper report.
METRICS = (
    Metric(
        "cellblock_jobs_total",
        Kind.COUNTER,
        "Jobs that ended with a result, by its `status` and whether a warm cell was used.",
        (*_ENDING, "warm"),
    ),
    Metric(
        "cellblock_job_queued_seconds",
        Kind.HISTOGRAM,
        "From the app's call to the start of the task.",
        _ENDING,
    ),
    Metric("cellblock_job_acquire_seconds", Kind.HISTOGRAM, "Until the command runs in its cell.", _ENDING),
    Metric("cellblock_job_run_seconds", Kind.HISTOGRAM, "The command, from start to end.", _ENDING),
    Metric(
        "cellblock_job_collect_seconds",
        Kind.HISTOGRAM,
        "From its end until the result is complete, artifacts included.",
        _ENDING,
    ),
    Metric("cellblock_job_cpu_seconds_total", Kind.COUNTER, "CPU time that jobs have used.", ("runtime",)),
    Metric(
        "cellblock_output_truncations_total",
        Kind.COUNTER,
        "Output streams that were too long, so that their middle was dropped.",
        ("runtime", "stream"),
    ),
    Metric("cellblock_attempts_total", Kind.COUNTER, "Jobs begun, counted again at each retry."),
    Metric(
        "cellblock_retries_total",
        Kind.COUNTER,
        "Attempts that failed and are tried again, by the error.",
        ("error",),
    ),
    Metric(
        "cellblock_failures_total",
        Kind.COUNTER,
        "Tasks that ended in state FAILURE: refused, `check=True`, or no attempts left.",
        ("error",),
        tuple((error,) for error in _GIVEN_UP),
    ),
    Metric(
        "cellblock_engine_errors_total",
        Kind.COUNTER,
        "Errors of the sandbox, by the part that met them: a job, the keeper, the reaper or the remover.",
        ("where", "error"),
    ),
    Metric(
        "cellblock_cells_made_total",
        Kind.COUNTER,
        "Containers made, for the pool (`warm`) or for one job (`job`).",
        ("runtime", "state"),
    ),
    Metric("cellblock_warm_cells", Kind.GAUGE, "Cells that wait for a job.", ("runtime",)),
    Metric("cellblock_warm_cells_wanted", Kind.GAUGE, "Cells that should wait.", ("runtime",)),
    Metric(
        "cellblock_warm_claims_total",
        Kind.COUNTER,
        "Claims on the warm pool: a `hit`, or a `miss` where no cell waited.",
        ("runtime", "outcome"),
    ),
    Metric("cellblock_reaps_total", Kind.COUNTER, "Leftover containers that the reaper removed."),
    Metric(
        "cellblock_leaks_total",
        Kind.COUNTER,
        "Containers that could not be removed. Each stays until a reaper removes it.",
        ("where",),
        (("remover",), ("reaper",)),
    ),
    Metric(
        "cellblock_dead_messages_total",
        Kind.COUNTER,
        "Messages that are no call and have no task id. Each is noted on the list `cellblock.dead`.",
        ("queue",),
    ),
    Metric(
        "cellblock_foreign_messages_total",
        Kind.COUNTER,
        "Messages for tasks of other apps, which are moved to the list `cellblock.foreign:<queue>`.",
        ("queue",),
    ),
    Metric(
        "cellblock_measurements_lost_total",
        Kind.COUNTER,
        "Measurements that could not be sent to the exporter. The other figures lack them.",
    ),
)

#: What the worker looks up at each scrape.
SAMPLED = (
    Metric("cellblock_jobs_in_flight", Kind.GAUGE, "Jobs that run in this worker."),
    Metric("cellblock_processes", Kind.GAUGE, "Processes that run jobs, one each: what autoscale changes."),
    Metric(
        "cellblock_keeper_up",
        Kind.GAUGE,
        "1 while the keeper, which reaps and holds the warm cells, is alive.",
    ),
    Metric("cellblock_engine_up", Kind.GAUGE, "1 while jobs are taken; 0 while the engine can make no cell."),
    Metric("cellblock_broker_up", Kind.GAUGE, "1 if the broker answered within two seconds."),
    Metric("cellblock_queue_length", Kind.GAUGE, "Jobs that wait in a queue for any worker.", ("queue",)),
    Metric(
        "cellblock_tenant_queue_length",
        Kind.GAUGE,
        "Jobs of one tenant that wait in a queue: the 20 largest, and all others together.",
        ("queue", "tenant"),
    ),
    Metric("cellblock_unacked", Kind.GAUGE, "Jobs that some worker has taken and not finished (Redis only)."),
)

#: What `cellblock api` reports.
API = (
    Metric(
        "cellblock_api_requests_total",
        Kind.COUNTER,
        "Requests that were answered, by the address with `{id}` for ids.",
        ("method", "route", "status"),
    ),
    Metric(
        "cellblock_api_answer_seconds",
        Kind.HISTOGRAM,
        "From a request to the beginning of its answer.",
        ("method", "route"),
    ),
    Metric("cellblock_api_open", Kind.GAUGE, "Streams of events and waits for results that are open."),
)
