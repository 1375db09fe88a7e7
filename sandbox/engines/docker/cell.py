"""One container, from its start to its end."""

from __future__ import annotations

import logging
import math
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from sandbox.cell import KILLED, Evidence
from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.docker.frames import FrameReader
from sandbox.engines.docker.starvation import StarvationGauge
from sandbox.engines.job_usage import JobUsage
from sandbox.engines.kernel_log import killed_for_memory
from sandbox.errors import CellLost, EngineFailed, SandboxUnavailable
from sandbox.events import Closed, Ended, Started, Usage
from sandbox.patience import Patience
from sandbox.supervisor import Session
from sandbox.supervisor.orders import KILL, TERMINATE
from sandbox.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.engines.engine import OpenCell
    from sandbox.events import Event
    from sandbox.job import Job

__all__ = ["DockerCell"]

_log = logging.getLogger("cellblock.cell")

_RECEIVE_BYTES = 256 << 10
# The memory is watched only after this time. Most jobs end sooner and cost nothing.
_GAUGE_AFTER_S = 1.0
_TICK_S = 0.5
# A socket with the timeout 0 does not wait, and fails otherwise.
_TINY_S = 0.001


class DockerCell:
    """A started container. A job's events come over its streams, without a call to the engine."""

    def __init__(self, opened: OpenCell, client: Callable[[], docker.APIClient], bound_s: float) -> None:
        self.info = opened.info
        self._name = opened.name
        self._socket = _only_socket(opened)
        self._env = opened.env
        self._group = opened.group
        self._usage = JobUsage(ControlGroup(opened.group) if opened.group else None)
        self._used_at_kill = Usage()
        self._client = client
        self._bound_s = bound_s
        self._frames = FrameReader()
        self._session = Session()
        self._closed = False
        self._refusal: SandboxUnavailable | None = None
        self._gauge: StarvationGauge | None = None
        self._gauge_at_s = math.inf

    @property
    def starving(self) -> bool:
        """Whether the job is stuck at its memory limit: the kernel neither gives it memory nor kills it."""
        return self._gauge is not None and self._gauge.starving

    def start(self, job: Job) -> None:
        """Send the orders. The supervisor reads all of them before the job can write: there is no deadlock.

        If the cell closes meanwhile, for example because the job's files fill its memory, `poll` reports it.

        Raises:
            EngineFailed: the cell does not take the orders in time.
            InvalidJob, BlobsUnavailable: the content of a file can't be read.
        """
        orders = self._session.orders(replace(job, env={**self._env, **job.env}))
        self._usage.hand_over(orders.size)
        patience = Patience(self._bound_s)
        for piece in orders:
            if not self._send(piece, patience):
                return

    def _send(self, piece: bytes, patience: Patience) -> bool:
        """Send one piece of the orders. False if the cell has closed."""
        try:
            with patience.spent() as left_s:
                self._socket.settimeout(left_s or _TINY_S)
                self._socket.sendall(piece)
        except TimeoutError as error:
            raise EngineFailed(f"The cell did not take its orders within {self._bound_s:g} s.") from error
        except OSError as error:
            _log.debug("A cell closed before it had all of its orders: %s", error)
            return False
        return True

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """The events in the next bytes from the engine, waiting for them at most `timeout_s` seconds.

        Raises:
            EngineUnreachable, EngineFailed: `destroy` was called and the engine did not kill the container.
        """
        if self._refusal:
            raise self._refusal
        self._watch_memory()
        self._socket.settimeout(max(min(timeout_s, _TICK_S), 0.001))
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            yield from self._session.flush()
            yield self._note(Closed())
        for stream, piece in self._frames.feed(data):
            yield from map(self._note, self._session.feed(stream, piece))

    def cpu_ns(self) -> int | None:
        """The CPU time that the job has used until now, by its control group."""
        return self._usage.so_far_ns()

    def bound_cpu(self, limit_ns: int) -> bool:
        """Order the supervisor to read the control group inside of the cell, and to keep this limit."""
        order = self._session.cpu_order(limit_ns)
        self._order(order)
        return bool(order)

    def terminate(self) -> None:
        """Ask the supervisor to send SIGTERM to all. A job that blocks it is killed after its grace time."""
        self._order(TERMINATE)

    def kill(self) -> None:
        """Ask the supervisor to send SIGKILL to all. It can still report the job's end afterwards."""
        self._order(KILL)

    def destroy(self) -> None:
        """Have the engine kill the container, which closes its streams.

        This runs in a thread, because the streams must be read meanwhile. While nobody reads the output, the
        engine does not notice that the container has ended, and answers no call that waits for its end
        (moby's attach copier, 20.10).
        """
        # The group is gone before the streams close.
        self._used_at_kill = self._usage.at_end()
        start_thread(self._strike, name="cellblock-destroy", lasting=False)

    def examine(self) -> Evidence:
        """What the engine reports about the container's end, for which this waits.

        Raises:
            CellLost: somebody else removed or killed the container.
        """
        with mapped_errors("examine a cell"):
            try:
                self._client().wait(self._name, timeout=math.ceil(self._bound_s))
                state = self._state()
            except docker.errors.NotFound as error:
                raise CellLost(f"The cell {self._name} was removed while its job ran.") from error
        killed = bool(state["OOMKilled"]) or self._was_killed_for_memory(state["ExitCode"])
        return Evidence(state["ExitCode"], out_of_memory=killed, usage=self._used_at_kill)

    def _was_killed_for_memory(self, exit_code: int) -> bool:
        return exit_code == KILLED and self._group is not None and killed_for_memory(self._group)

    def _strike(self) -> None:
        try:
            self._kill_container()
        except SandboxUnavailable as error:
            self._refusal = error

    def _kill_container(self) -> None:
        with mapped_errors("kill a cell"):
            try:
                self._client().kill(self._name, "SIGKILL")
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                # The container has ended before, or has not ended in time. Its state shows which.
                if self._state()["Running"]:
                    raise EngineFailed(
                        f"The engine could not kill {self._name}: {error.explanation}."
                    ) from error

    def _note(self, event: Event) -> Event:
        if isinstance(event, Started):
            self._usage.start()
            self._gauge_at_s = time.monotonic() + _GAUGE_AFTER_S
        elif isinstance(event, Ended):
            self._close()
            return replace(event, usage=self._usage.at_end(event.usage))
        elif isinstance(event, Closed):
            self._close()
        return event

    def _close(self) -> None:
        self._closed = True
        if self._gauge:
            self._gauge.close()

    def _watch_memory(self) -> None:
        if self._gauge is None and not self._closed and time.monotonic() >= self._gauge_at_s:
            self._gauge = StarvationGauge(self._name, self._client)

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._client().inspect_container(self._name)["State"]
        return state

    def _order(self, order: bytes) -> None:
        if not self._closed:
            try:
                self._socket.settimeout(1.0)
                self._socket.send(order)
            except OSError:
                self._closed = True


def _only_socket(opened: OpenCell) -> socket.socket:
    (stream,) = opened.streams
    if not isinstance(stream, socket.socket):
        raise TypeError(f"a container's connection is a socket, not {type(stream).__name__}")
    return stream
