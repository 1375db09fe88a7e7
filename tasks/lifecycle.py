"""The life of a worker, from its start to its end: the one module that receives Celery's signals.

Celery imports it when a worker starts, and calls the receivers of a signal in the order of `_RECEIVERS`. If a
receiver raises an exception, Celery logs it and calls the next one. So a receiver that is to stop the worker
raises SystemExit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.states import READY_STATES
from celery.worker.control import control_command, inspect_command

from config import InvalidSetting
from sandbox.threads import end_with_threads
from tasks import delivery, engine_watch, shutdown, worker_control
from tasks._app import app
from tasks.envelope.compression import bound_kombus
from tasks.headers import TASK
from tasks.live.write.switch import warn_of_no_live_output
from tasks.observe import health_file, log_context, logs, outage_log, task_metrics, traces
from tasks.observe.event_dispatcher import BatchedEvents
from tasks.observe.job_list import JOBS
from tasks.pool import choice, prefork
from tasks.process import process_state
from tasks.results.encoding import encode_in_pieces
from tasks.results.worker_backend import store_patiently
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__: list[str] = []

# These have no signal of Celery: the worker's own commands, and its steps when it connects to the broker.
control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(worker_control.revoke)
inspect_command(name=JOBS)(worker_control.jobs)
app.steps["consumer"].update((engine_watch.EngineWatch, health_file.HealthFile))


@contextmanager
def _stops_worker() -> Iterator[None]:
    """Stop the worker if it can't work with its settings."""
    try:
        yield
    except InvalidSetting as error:
        raise SystemExit(f"cellblock: {error}") from error


refuse_pool = _stops_worker()(choice.refuse_pool)
check_traces = _stops_worker()(traces.check_traces)


def note_name(sender: str, **_: object) -> None:
    """Keep the worker's name for the lines of its log."""
    process_state.worker_name = sender
    logs.format_first_lines()


@_stops_worker()
def serve_metrics(instance: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Serve the metrics, if the operator has given a port, and count the tasks from now on."""
    settings = this_settings()
    if settings.metrics_port is None:
        return
    process_state.metrics = task_metrics.serve_metrics(
        instance, settings.metrics_address, settings.metrics_port
    )
    # Each of them is called after the receiver that writes to the log.
    signals.task_prerun.connect(task_metrics.count_attempt)
    signals.task_success.connect(task_metrics.count_success)
    signals.task_retry.connect(task_metrics.count_retry)
    signals.task_failure.connect(task_metrics.count_failure)


def become_worker(**_: object) -> None:
    """Note that this process is a worker."""
    process_state.is_worker = True


def take_messages_safely(**_: object) -> None:
    """Take messages with our own transport, which judges each of them."""
    bound_kombus(this_settings().max_message)
    delivery.install()


def send_events_in_batches(**_: object) -> None:
    """Send the events of this worker's jobs in batches. Celery's own sends two messages for each job."""
    app.events.dispatcher_cls = f"{BatchedEvents.__module__}:{BatchedEvents.__name__}"


def start_keeper(sender: str, **_: object) -> None:
    """Start the keeper of this worker, if jobs run in containers."""
    settings = this_settings()
    if settings.isolates:
        from sandbox.warm import KeeperProcess

        try:
            process_state.keeper = KeeperProcess(sender, settings.engine_margin)
        except OSError as error:
            raise SystemExit(f"cellblock: the worker's keeper can't be started: {error}") from error


def introduce_worker(**_: object) -> None:
    """Log where jobs run and what the host can't hold, and load the catalogue."""
    settings = this_settings()
    logs.log_isolation(settings)
    # Loaded now, so that an invalid catalogue is reported before the first message.
    this_catalogue()
    app.tasks[TASK].max_retries = settings.max_attempts - 1
    logs.log_overcommitments(settings)


def warn_of_broker(**_: object) -> None:
    """Log what the operator has set that only Redis can keep, if the broker is another one."""
    settings = this_settings()
    if not settings.broker.is_redis and (settings.bounds_queues or settings.shares_workers):
        logs.log_unfairness()


def begin_traces_without_children(sender: str, instance: Any, **_: object) -> None:  # noqa: ANN401
    """Begin traces if jobs run in threads of this process: no `worker_process_init` is sent then."""
    if not instance.pool_cls.__module__.endswith((".prefork", ".solo")):
        begin_traces(sender)


def watch_keeper(sender: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Restart a dead keeper by the worker's timer. A thread is no choice, because the pool may still fork."""
    if process_state.keeper is not None:
        sender.timer.call_repeatedly(1.0, process_state.keeper.revive)


def open_sandbox(**_: object) -> None:
    """Make the sandbox of this process of the pool."""
    # If this process ends, the worker starts a new one.
    end_with_threads()
    process_state.sandbox()


def leave_metrics(**_: object) -> None:
    """Leave the metrics' port, so that it does not stay in use after the main process has ended."""
    if process_state.metrics:
        process_state.metrics.exporter.leave()


def begin_traces(sender: str | None = None, **_: object) -> None:
    """Begin traces in each process that runs jobs: an exporter's thread does not survive a fork."""
    if this_settings().traces != "off" and process_state.tracer_provider is None:
        process_state.tracer_provider = traces.send_traces(sender or "")
        # The span of the task is still open then.
        signals.task_success.connect(traces.add_laps)


def end_attempt(task_id: str, state: str | None, **_: object) -> None:
    """End the attempt. By now the result, if any, is stored. The signal is sent however the task ends."""
    process_state.end_attempt(task_id, done=state in READY_STATES)


def stop_keeper(**_: object) -> None:
    """Stop the keeper, if there is one."""
    if process_state.keeper is not None:
        process_state.keeper.stop()


def close_metrics(**_: object) -> None:
    """Stop serving metrics."""
    if process_state.metrics:
        process_state.metrics.close()
        process_state.metrics = None


def end_traces(**_: object) -> None:
    """Send the spans that have not been sent yet."""
    provider, process_state.tracer_provider = process_state.tracer_provider, None
    if provider:
        provider.shutdown()


_RECEIVERS: dict[Any, tuple[Callable[..., None], ...]] = {
    # Nothing has been started yet.
    signals.celeryd_init: (
        # First, so that a worker with a refused pool has opened nothing.
        refuse_pool,
        # Before Celery sets up its log, and before it warns on standard error about running as root.
        note_name,
        # Before the keeper is started and the pool forks: both are to report to this process.
        serve_metrics,
        # Before the worker connects to its broker for the first time.
        outage_log.filter_connection_lines,
        # Before the pool forks, so that its processes inherit the flag.
        become_worker,
        # Here and not where traces begin: a process of the pool can't stop the worker.
        check_traces,
    ),
    # The worker has no log, no connection and no pool yet.
    signals.worker_init: (
        # Before the worker connects to its broker.
        take_messages_safely,
        send_events_in_batches,
        # Before the worker's result backend is made. An app keeps that of `app_backend`.
        store_patiently,
        # Before the pool is made.
        prefork.use_our_pool,
        # The main process stores the results of jobs whose process had to be killed.
        encode_in_pieces,
    ),
    # Celery has made the handlers of its log, and has written no line to them.
    signals.after_setup_logger: (logs.format_lines,),
    signals.after_setup_task_logger: (logs.format_lines, logs.leave_out_celerys_end),
    # The parts of the worker are known. None of them has been started.
    signals.celeryd_after_setup: (
        # Before the pool forks, so that its processes inherit the keeper's path.
        start_keeper,
        # After the keeper, so that a worker that can't start logs nothing about isolation.
        introduce_worker,
        # After the line above has set the log's level. Only now the class of the pool is known.
        choice.warn_of_threads,
        # After `store_patiently`: this makes the worker's result backend.
        warn_of_no_live_output,
        warn_of_broker,
        begin_traces_without_children,
    ),
    # The worker takes messages.
    signals.worker_ready: (
        watch_keeper,
        # After Celery has set its own handlers of signals.
        shutdown.drain_at_sigquit,
    ),
    # A process of the pool has started. The first ones start before the worker is ready.
    signals.worker_process_init: (
        # Before the first job comes, so that no job waits for the sandbox.
        open_sandbox,
        leave_metrics,
        # Only a process that runs tasks logs outages of the engine.
        engine_watch.log_outages_once,
        begin_traces,
        # A process that is not forked inherits no encoder.
        encode_in_pieces,
    ),
    # A task: task_prerun, then one of task_success, task_retry and task_failure, then task_postrun.
    # First, so that each line about the task names it.
    signals.task_prerun: (log_context.begin_log_context,),
    # First, so that the time of the line is that of the job's end.
    signals.task_success: (logs.log_result,),
    signals.task_postrun: (
        # Before the lease is given back: its log lines are not the job's.
        log_context.end_log_context,
        end_attempt,
    ),
    # A signal has told the worker to end. Its jobs still run.
    signals.worker_shutting_down: (shutdown.bound_shutdown,),
    # A process of the pool ends. Sending the last spans takes some time, so it comes last.
    signals.worker_process_shutdown: (process_state.close_sandbox, end_traces),
    # The main process ends.
    signals.worker_shutdown: (
        # First: it waits until the last cell is gone, and the keeper must run until then.
        process_state.close_sandbox,
        # Before the metrics, so that the keeper can report to the end.
        stop_keeper,
        # After everything that reports to the metrics.
        close_metrics,
        # After the keeper: until then the worker has not ended completely.
        health_file.remove_health_file,
        # Last, because sending the last spans takes some time.
        end_traces,
    ),
}
for signal, receivers in _RECEIVERS.items():
    for receiver in receivers:
        signal.connect(receiver)
