"""Causes the planned faults and repairs them."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.faults import strike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.cell_log import CellLog
    from tests.chaos.faults import Fault, Mend
    from tests.chaos.stage import Stage

__all__ = ["Say", "Strike", "Striker"]

Say = Callable[[str], None]

_AT_A_WORKER = ("pool child", "worker", "keeper", "engine stalled", "network", "worker's clock", "runtime")

_AT_WORK = ("worker killed", "cell removed", "pool child killed")
_PATIENCE_S = 6.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that happened: when (Unix seconds), at which worker, and the jobs whose worker was killed."""

    kind: str
    at: float
    worker: str | None
    ran: tuple[str, ...]


class Striker:
    """Causes and repairs faults in one thread, because each step is short. Faults may overlap."""

    def __init__(self, faults: Sequence[Fault], stage: Stage, cells: CellLog, say: Say) -> None:
        self.strikes: list[Strike] = []
        self._stage = stage
        self._cells = cells
        self._say = say
        self._mends: list[tuple[float, int, Mend]] = []
        self._order = itertools.count()
        began = time.monotonic()
        times = itertools.accumulate(fault.gap_s for fault in faults)
        self._planned = [(began + at, fault) for at, fault in zip(times, faults, strict=True)]

    @property
    def is_done(self) -> bool:
        """Whether all faults have happened and are repaired."""
        return not self._planned and not self._mends

    def act(self) -> None:
        """Do everything that is due."""
        now = time.monotonic()
        for post in self._stage.posts:
            post.worker.revive()
        while self._mends and self._mends[0][0] <= now:
            heapq.heappop(self._mends)[2]()
        if self._planned and self._planned[0][0] <= now and self._is_worth_it(*self._planned[0], now):
            self._strike(self._planned.pop(0)[1])

    def _is_worth_it(self, due: float, fault: Fault, now: float) -> bool:
        """Whether to cause the fault now. Some faults wait up to 6 seconds until their worker has a job."""
        hostname = self._stage.posts[fault.worker].worker.hostname
        is_idle = fault.kind in _AT_WORK and not self._cells.running_on(hostname)
        return not is_idle or now > due + _PATIENCE_S

    def _strike(self, fault: Fault) -> None:
        hostname = self._stage.posts[fault.worker].worker.hostname
        worker = hostname if fault.kind.startswith(_AT_A_WORKER) else None
        ran = tuple(self._cells.running_on(hostname)) if fault.kind == "worker killed" else ()
        at = time.time()
        mend = strike(fault, self._stage)
        where = f" at {worker}" if worker else ""
        if mend is None:
            self._say(f"nothing to strike at: {fault.kind}{where}")
            return
        died = f", {len(ran)} jobs ran there" if fault.kind == "worker killed" else ""
        self._say(f"{fault.kind}{where}, mended in {fault.lasts_s:.1f} s{died}")
        if fault.kind == "engine killed":
            self._cells.all_ended()
        self.strikes.append(Strike(fault.kind, at, worker, ran))
        heapq.heappush(self._mends, (time.monotonic() + fault.lasts_s, next(self._order), mend))
