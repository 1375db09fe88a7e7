"""The life of a worker, from its start to its end: the one module that receives Celery's signals.

Celery imports it when a worker starts, and calls the receivers of a signal in the order in which they stand
here. If a receiver raises an exception, Celery logs it and calls the next one. So a receiver that is to stop
the worker raises SystemExit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.states import READY_STATES
from celery.worker.control import control_command, inspect_command

from config import InvalidSetting
from sandbox.threads import end_with_threads
from tasks import control, delivery, engine_watch, shutdown
from tasks._app import app
from tasks.envelope.compression import bound_kombus
from tasks.headers import TASK
from tasks.live.write import switch
from tasks.observe import health_file, job_list_command, logs, outage_log, start_log, task_metrics, traces
from tasks.observe.job_list import JOBS
from tasks.observe.log_context import forget_job
from tasks.observe.queue_depth import QueueDepth
from tasks.pool import choice, prefork
from tasks.process import process_state
from tasks.results import encoding, worker_backend
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

__all__: list[str] = []

# What Celery has no signal for: the worker's own commands, and its steps when it connects to the broker.
control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(control.revoke)
inspect_command(name=JOBS)(job_list_command.jobs)
app.steps["consumer"].update((engine_watch.EngineWatch, health_file.HealthFile))


@contextmanager
def _stops_worker() -> Iterator[None]:
    """Stop the worker if it can't work with its settings."""
    try:
        yield
    except InvalidSetting as error:
        raise SystemExit(f"cellblock: {error}") from error


# celeryd_init: nothing has been started yet.


@signals.celeryd_init.connect
def refuse_pool(options: dict[str, Any], **_: object) -> None:
    """First, so that a worker that may not start has opened nothing."""
    with _stops_worker():
        choice.check_options(options)


@signals.celeryd_init.connect
def note_name(sender: str, **_: object) -> None:
    """Before Celery sets up its log, and before it warns on standard error about running as root."""
    process_state.worker_name = sender
    logs.format_first_lines(sender)


@signals.celeryd_init.connect
def serve_metrics(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Before the keeper is started and the pool forks: both are to report to this process."""
    settings = this_settings()
    if settings.metrics_port is None:
        return
    queue_depth = QueueDepth(app, settings.queues.split(","))
    samples = task_metrics.WorkerSamples(
        instance, process_state.engine_gate, process_state.keeper_is_alive, queue_depth
    )
    with _stops_worker():
        process_state.metrics = task_metrics.serve_metrics(
            settings.metrics_address, settings.metrics_port, samples
        )
    # Each of them is called after the receiver that writes to the log.
    signals.task_prerun.connect(count_attempt)
    signals.task_success.connect(count_success)
    signals.task_retry.connect(count_retry)
    signals.task_failure.connect(count_failure)


@signals.celeryd_init.connect
def filter_connection_lines(**_: object) -> None:
    """Before the worker connects to its broker for the first time."""
    outage_log.filter_connection_lines()


@signals.celeryd_init.connect
def become_worker(**_: object) -> None:
    """Before the pool forks, so that its processes inherit the flag."""
    process_state.is_worker = True


@signals.celeryd_init.connect
def check_traces(**_: object) -> None:
    """Here and not where traces begin: a process of the pool can't stop the worker."""
    with _stops_worker():
        traces.check_traces()


# worker_init: the worker has no log, no connection and no pool yet.


@signals.worker_init.connect
def take_messages_safely(**_: object) -> None:
    """Before the worker connects to its broker."""
    bound_kombus(this_settings().max_message)
    delivery.install()


@signals.worker_init.connect
def store_patiently(**_: object) -> None:
    """Before the worker's result backend is made. An app keeps that of `app_backend`."""
    worker_backend.store_patiently()


@signals.worker_init.connect
def use_our_pool(**_: object) -> None:
    """Before the pool is made."""
    prefork.use_our_pool()


@signals.worker_init.connect
def encode_in_pieces(**_: object) -> None:
    """The main process stores the results of jobs whose process had to be killed."""
    encoding.encode_in_pieces()


# after_setup_logger and after_setup_task_logger: Celery has made the handlers of its log.


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def format_lines(logger: logging.Logger, **_: object) -> None:
    """Before the first line that Celery writes to them."""
    logs.format_lines(logger, process_state.worker_name)


# celeryd_after_setup: the parts of the worker are known. None of them has been started.


@signals.celeryd_after_setup.connect
def warn_of_threads(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Only now the class of the pool is known."""
    choice.warn_of_threads(instance.pool_cls)


@signals.celeryd_after_setup.connect
def start_keeper(sender: str, **_: object) -> None:
    """Before the pool forks, so that its processes inherit the keeper's path."""
    settings = this_settings()
    if settings.enable_docker:
        from sandbox.warm import KeeperProcess

        try:
            process_state.keeper = KeeperProcess(sender, settings.engine_margin)
        except OSError as error:
            raise SystemExit(f"cellblock: the worker's keeper can't be started: {error}") from error


@signals.celeryd_after_setup.connect
def introduce_worker(**_: object) -> None:
    """After the keeper, so that a worker that can't start says nothing of isolation."""
    settings = this_settings()
    start_log.log_isolation(settings)
    # Loaded now, so that an invalid catalogue is reported before the first message.
    this_catalogue()
    app.tasks[TASK].max_retries = settings.max_attempts - 1
    start_log.log_overcommitments(settings)


@signals.celeryd_after_setup.connect
def warn_of_no_live_output(**_: object) -> None:
    """After `store_patiently`: this makes the worker's result backend."""
    switch.warn_of_no_live_output()


@signals.celeryd_after_setup.connect
def begin_traces_without_children(sender: str, instance: Any, **_: object) -> None:  # noqa: ANN401
    """If the jobs run in threads of this process, no `worker_process_init` is sent."""
    if not instance.pool_cls.__module__.endswith((".prefork", ".solo")):
        begin_traces(sender)


# worker_ready: the worker takes messages.


@signals.worker_ready.connect
def watch_keeper(sender: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """By the worker's timer, which runs now, and not by a thread, because the pool may still fork."""
    if process_state.keeper is not None:
        sender.timer.call_repeatedly(1.0, process_state.keeper.revive)


@signals.worker_ready.connect
def drain_at_sigquit(**_: object) -> None:
    """After Celery has set its own handlers of signals."""
    shutdown.drain_at_sigquit()


# worker_process_init: a process of the pool has started. The first ones start before the worker is ready.


@signals.worker_process_init.connect
def open_sandbox(**_: object) -> None:
    """Before the first job comes, so that no job waits for the sandbox."""
    # If this process ends, the worker starts a new one.
    end_with_threads()
    process_state.sandbox()


@signals.worker_process_init.connect
def leave_metrics(**_: object) -> None:
    """So that the port does not stay in use after the main process has ended."""
    if process_state.metrics:
        process_state.metrics.exporter.leave()


@signals.worker_process_init.connect
def log_outages_once(**_: object) -> None:
    """Only a process that runs tasks logs what this is about."""
    engine_watch.log_outages_once()


@signals.worker_process_init.connect
def begin_traces(sender: str | None = None, **_: object) -> None:
    """In each process that runs jobs, because the thread of an exporter does not survive a fork."""
    if this_settings().traces != "off" and process_state.tracer_provider is None:
        process_state.tracer_provider = traces.send_traces(sender or "")
        signals.task_success.connect(add_laps)


# A process that is not forked inherits no encoder.
signals.worker_process_init.connect(encode_in_pieces)


# A task: task_prerun, then one of task_success, task_retry and task_failure, then task_postrun.


@signals.task_prerun.connect
def begin_log_context(task_id: str, **_: object) -> None:
    """First, so that each line about the task names it."""
    logs.begin_job(task_id)


def count_attempt(**_: object) -> None:
    """Connected if metrics are served."""
    task_metrics.count_attempt()


@signals.task_success.connect
def log_result(result: Mapping[str, Any], **_: object) -> None:
    """First, so that the time of the line is that of the job's end."""
    logs.log_result(result)


def count_success(result: Mapping[str, Any], **_: object) -> None:
    """Connected if metrics are served."""
    task_metrics.count_success(result)


def add_laps(result: Mapping[str, Any], **_: object) -> None:
    """Connected if this process sends traces. The span of the task is still open now."""
    traces.add_laps(process_state.tracer_provider, result)


def count_retry(reason: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Connected if metrics are served."""
    task_metrics.count_retry(reason.exc)


def count_failure(exception: BaseException, **_: object) -> None:
    """Connected if metrics are served."""
    task_metrics.count_failure(exception)


@signals.task_postrun.connect
def end_log_context(**_: object) -> None:
    """Before the lease is given back: what that logs is no line of the job."""
    forget_job()


@signals.task_postrun.connect
def end_attempt(task_id: str, state: str | None, **_: object) -> None:
    """Here, because now the result is stored, if there is one. The signal is sent however the task ends."""
    process_state.end_attempt(task_id, done=state in READY_STATES)


# worker_shutting_down: a signal has told the worker to end. Its jobs still run.


@signals.worker_shutting_down.connect
def bound_shutdown(how: str, **_: object) -> None:
    """Only a warm shutdown waits for the running jobs."""
    if how == "Warm":
        shutdown.turn_cold_later()


# worker_process_shutdown in a process of the pool, and then worker_shutdown in the main process.


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def close_sandbox(**_: object) -> None:
    """First: it waits until the last cell is gone, and the keeper is to live until then."""
    process_state.close_sandbox()


@signals.worker_shutdown.connect
def stop_keeper(**_: object) -> None:
    """Before the metrics, so that the keeper can report to the end."""
    if process_state.keeper is not None:
        process_state.keeper.stop()


@signals.worker_shutdown.connect
def close_metrics(**_: object) -> None:
    """After all that reports to them."""
    if process_state.metrics:
        process_state.metrics.close()
        process_state.metrics = None


@signals.worker_shutdown.connect
def remove_health_file(**_: object) -> None:
    """After the keeper: until then the worker is not quite gone."""
    health_file.remove_health_file()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def end_traces(**_: object) -> None:
    """Last, because to send the spans that have not been sent yet takes a while."""
    provider, process_state.tracer_provider = process_state.tracer_provider, None
    if provider:
        provider.shutdown()
