"""A thread with a mount namespace of its own, in which the OCI runtimes are started."""

from __future__ import annotations

import os
from concurrent.futures import Future, wait
from functools import cache
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.engines.oci.hierarchies import hide_version_2
from sandbox.engines.oci.kernel import leave_mount_namespace
from sandbox.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Launcher", "forget_launcher", "this_launcher"]

# A thread may ask for more processors than there are. It gets those that its control group allows.
_ANY_PROCESSORS = range(4096)

_T = TypeVar("_T")


class Launcher:
    """Runs functions in its thread, one after another.

    A program that is started there inherits the thread's mounts, its nice value 0 and all processors,
    whatever the worker has. The thread's mounts vanish with the process, and no other process sees them.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        start_thread(self._serve, name="cellblock-launcher")

    def do(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises. It never runs after this method has been left."""
        future: Future[_T] = Future()
        self._work.put((work, future))
        try:
            return future.result()
        except BaseException:
            # A soft limit may be raised here. The caller then closes descriptors that `work` names.
            if not future.cancel():
                wait([future])
            raise

    def _serve(self) -> None:
        is_ready = False
        while True:
            work, future = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if not is_ready:
                    _prepare_thread()
                    is_ready = True
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  for the caller to judge
                future.set_exception(error)


def _prepare_thread() -> None:
    if os.geteuid() == 0:  # no other user has the right to, or needs it with version 2 of control groups
        leave_mount_namespace()
        hide_version_2()
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    os.sched_setaffinity(0, _ANY_PROCESSORS)


_one_at_a_time = Lock()


def this_launcher() -> Launcher:
    """The launcher of this process: one for all of its threads, because each has mounts of its own."""
    with _one_at_a_time:
        return _launcher()


def forget_launcher() -> None:
    """Have the next caller get a new one."""
    _launcher.cache_clear()


@cache
def _launcher() -> Launcher:
    return Launcher()


def _begin_child() -> None:
    # A thread does not survive a fork.
    _one_at_a_time.release()
    forget_launcher()


os.register_at_fork(
    before=_one_at_a_time.acquire, after_in_parent=_one_at_a_time.release, after_in_child=_begin_child
)
