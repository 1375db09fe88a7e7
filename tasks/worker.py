"""The worker's side: one sandbox for each process that runs jobs, the keeper, and the log lines at start."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.exceptions import SoftTimeLimitExceeded

from sandbox import Sandbox
from sandbox.budget import overcommitments, this_host
from sandbox.threads import end_with_threads
from tasks._app import app
from tasks.delivery import install
from tasks.envelope.compression import bound_kombus
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from sandbox.warm import KeeperProcess, Sight

__all__ = ["keeper_is_alive", "keeper_sight", "this_sandbox"]

_log = logging.getLogger("cellblock")
_lock = threading.Lock()
_sandbox: Sandbox | None = None
# Belongs to the worker's main process. Pool processes inherit the path when they are forked.
_keeper: KeeperProcess | None = None


def this_sandbox() -> Sandbox:
    """The sandbox of this process, made at the first call: an engine's connection does not survive a fork."""
    global _sandbox  # noqa: PLW0603
    with _lock:
        if _sandbox is None:
            keeper = _keeper.path if _keeper else None
            _sandbox = Sandbox(this_settings(), keeper=keeper, interrupts=(SoftTimeLimitExceeded,))
        return _sandbox


def keeper_sight() -> Sight | None:
    """The last look of this worker's keeper at the engine. None if there is no keeper or no look yet."""
    return _keeper.sight() if _keeper else None


def keeper_is_alive() -> bool | None:
    """Whether the keeper of this worker runs. None if there is no keeper, as in the legacy mode."""
    return _keeper.is_alive if _keeper else None


@signals.worker_init.connect
def _take_messages_safely(**_: object) -> None:
    """Called before the worker connects."""
    bound_kombus(this_settings().max_message)
    install()


@signals.worker_process_init.connect
def _open_sandbox(**_: object) -> None:
    """Called before the first job comes, so that no job waits for the sandbox."""
    # If this process ends, the worker starts a new one.
    end_with_threads()
    this_sandbox()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _close_sandbox(**_: object) -> None:
    global _sandbox
    with _lock:
        sandbox, _sandbox = _sandbox, None
    if sandbox is not None:
        sandbox.close()


@signals.celeryd_after_setup.connect
def _start_keeper(sender: str, **_: object) -> None:
    global _keeper  # noqa: PLW0603
    settings = this_settings()
    if settings.enable_docker:
        from sandbox.warm import KeeperProcess

        try:
            _keeper = KeeperProcess(sender, settings.engine_margin)
        except OSError as error:
            # Celery logs any other exception of a receiver and continues.
            raise SystemExit(f"cellblock: the worker's keeper can't be started: {error}") from error


@signals.worker_ready.connect
def _watch_keeper(sender: Any, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Uses the worker's timer and not a thread, because the pool may still fork."""
    if _keeper is not None:
        sender.timer.call_repeatedly(1.0, _keeper.revive)


@signals.worker_shutdown.connect
def _stop_keeper(**_: object) -> None:
    if _keeper is not None:
        _keeper.stop()


@signals.celeryd_after_setup.connect
def _introduce(**_: object) -> None:
    settings = this_settings()
    _log.setLevel(settings.log_level)
    if settings.enable_docker:
        _log.info("Docker isolation: ENABLED (Secure)")
        _log.info("Execution context: Docker container (isolated, read-only FS, no networking)")
    else:
        _log.warning("Docker isolation: DISABLED (ENABLE_DOCKER=false): commands run on this host")
        _log.warning("Execution context: this host, with the worker's own rights")
    # Load it now, so that an invalid catalogue stops the worker before the first message.
    this_catalogue()
    app.tasks["cellblock.run_sandboxed"].max_retries = settings.max_attempts - 1
    for sentence in overcommitments(settings, this_host()):
        _log.warning("More is promised to jobs than there is: %s", sentence)
