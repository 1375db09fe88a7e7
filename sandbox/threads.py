"""Starts threads whose death is always logged."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dead_threads", "end_with_threads", "make_thread", "start_thread"]

_log = logging.getLogger("cellblock")

# EX_SOFTWARE of sysexits.h: an internal error.
_SOFTWARE = 70

_dead: list[str] = []
_ends_process = False


def start_thread(
    target: Callable[..., object], *args: object, name: str, lasting: bool = True
) -> threading.Thread:
    """Run `target` in a thread of its own.

    An exception that `target` does not handle is logged. A `lasting` thread does work that no other thread
    would do. If such a thread dies, `dead_threads` names it. After a call of `end_with_threads`, its death
    also ends the process, so that the parent or the service manager starts the process again.
    """
    thread = make_thread(target, *args, name=name, lasting=lasting)
    thread.start()
    return thread


def make_thread(
    target: Callable[..., object], *args: object, name: str, lasting: bool = True
) -> threading.Thread:
    """Make the thread that `start_thread` would start, for the caller to start."""
    run = _guarded if lasting else _logged
    return threading.Thread(target=run, args=(target, *args), name=name, daemon=True)


def end_with_threads() -> None:
    """Have this process end when a lasting thread dies: without it, part of the work would not be done."""
    global _ends_process  # noqa: PLW0603
    _ends_process = True


def dead_threads() -> list[str]:
    """The names of this process's lasting threads that have died."""
    return list(_dead)


def _logged(target: Callable[..., object], *args: object) -> bool:
    """Run `target`, and log an exception that it raises; whether it raised none."""
    try:
        target(*args)
    except Exception:  # noqa: BLE001  told, and then judged by who started it
        _log.critical("The thread %s has died", threading.current_thread().name, exc_info=True)
        return False
    return True


def _guarded(target: Callable[..., object], *args: object) -> None:
    if _logged(target, *args):
        return
    _dead.append(threading.current_thread().name)
    if _ends_process:
        logging.shutdown()
        os._exit(_SOFTWARE)
