"""One container of an OCI runtime, from its start to its end."""

from __future__ import annotations

import logging
import os
import select
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.cell import KILLED, Evidence
from sandbox.engines.job_usage import JobUsage
from sandbox.errors import EngineFailed
from sandbox.events import STDERR, STDOUT, Closed, Ended, Started
from sandbox.patience import Patience
from sandbox.starvation import Starvation
from sandbox.supervisor import Session
from sandbox.supervisor.orders import KILL, TERMINATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.engines.engine import OpenCell
    from sandbox.engines.oci.cgroup import CellGroup
    from sandbox.events import Event
    from sandbox.job import Job

__all__ = ["OciCell"]

_log = logging.getLogger("cellblock.cell")

_READ_BYTES = 256 << 10
_SAMPLE_S = 1.0
_TICK_S = 0.5


class OciCell:
    """A started container. Its three streams are pipes; what it uses is read from its control group."""

    def __init__(self, opened: OpenCell, group: CellGroup, bound_s: float) -> None:
        self.info = opened.info
        self.starving = False
        self._env = opened.env
        self._group = group
        self._usage = JobUsage(group)
        self._bound_s = bound_s
        self._orders, *outputs = (stream.fileno() for stream in opened.streams)
        self._open = dict(zip(outputs, (STDOUT, STDERR), strict=True))
        self._poll = select.poll()
        for descriptor in self._open:
            self._poll.register(descriptor, select.POLLIN)
        self._session = Session()
        self._ended = False
        self._starvation = Starvation()
        self._sample_at = float("inf")

    def start(self, job: Job) -> None:
        """Write the orders. The supervisor reads all of them before the job can write: there is no deadlock.

        Raises:
            EngineFailed: the cell does not take the orders in time.
            InvalidJob, BlobsUnavailable: the content of a file can't be read.
        """
        orders = self._session.orders(replace(job, env={**self._env, **job.env}) if self._env else job)
        self._usage.hand_over(orders.size)
        os.set_blocking(self._orders, False)
        writable, patience = select.poll(), Patience(self._bound_s)
        writable.register(self._orders, select.POLLOUT)
        for piece in orders:
            if not self._write(piece, writable, patience):
                return

    def _write(self, piece: bytes, writable: select.poll, patience: Patience) -> bool:
        """Write one piece of the orders. False if the cell has closed."""
        rest = memoryview(piece)
        try:
            while rest:
                with patience.spent() as left_s:
                    is_ready = writable.poll(left_s * 1000)
                if not is_ready:
                    raise EngineFailed(f"The cell did not take its orders within {self._bound_s:g} s.")
                rest = rest[os.write(self._orders, rest) :]
        except OSError as error:
            _log.debug("A cell closed before it had all of its orders: %s", error)
            return False
        return True

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """The events in the next bytes of the two streams, waiting for them at most `timeout_s` seconds."""
        self._watch_memory()
        for descriptor, _ in self._poll.poll(max(0.001, min(timeout_s, _TICK_S)) * 1000):
            yield from map(self._note, self._read(descriptor))
        if not self._open:
            yield from self._session.flush()
            self._ended = True
            yield Closed()

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
        """Kill every process of the cell from outside, which closes its streams."""
        self._group.kill()

    def examine(self) -> Evidence:
        """The end of a cell without a report: the kernel killed it for its memory, or somebody killed it."""
        usage = self._usage.at_end()
        return Evidence(exit_code=KILLED, out_of_memory=bool(usage.oom_kills), usage=usage)

    def _read(self, descriptor: int) -> Iterator[Event]:
        data = os.read(descriptor, _READ_BYTES)
        if data:
            yield from self._session.feed(self._open[descriptor], data)
        else:
            self._poll.unregister(descriptor)
            del self._open[descriptor]

    def _note(self, event: Event) -> Event:
        if isinstance(event, Started):
            self._usage.start()
            self._sample_at = time.monotonic() + _SAMPLE_S
        elif isinstance(event, Ended):
            self._ended = True
            return replace(event, usage=self._usage.at_end(event.usage))
        return event

    def _watch_memory(self) -> None:
        if not self._ended and time.monotonic() >= self._sample_at:
            self._sample_at += _SAMPLE_S
            self.starving = self.starving or self._starvation.feed(self._group.memory())

    def _order(self, order: bytes) -> None:
        if not self._ended:
            try:
                os.write(self._orders, order)
            except OSError as error:
                _log.debug("A cell takes no orders any more: %s", error)
