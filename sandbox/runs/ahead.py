"""Makes cells for the first runs of a job while its program is compiled."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sandbox.cell import Cell, JobTags
    from sandbox.job import Job

__all__ = ["CellsAhead"]

_Held = tuple[ExitStack, "Cell"]


class CellsAhead:
    """Cells for the first `count` runs of a job. Leaving it removes those that no run has taken.

    One thread makes them, one after the other, so that the compiler has the other cores.
    """

    def __init__(
        self,
        acquire: Callable[[Job, JobTags], AbstractContextManager[Cell]],
        job: Job,
        tags: JobTags,
        count: int,
    ) -> None:
        self._acquire = acquire
        self._made: dict[int, Future[_Held]] = {}
        self._maker: ThreadPoolExecutor | None = None
        if planned := job.runs.planned[:count] if job.runs else ():
            self._maker = maker = ThreadPoolExecutor(1, thread_name_prefix="cellblock-ahead")
            self._made = {
                index: maker.submit(self._make, job.as_run(run), tags) for index, run in enumerate(planned)
            }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._maker:
            self._maker.shutdown(wait=True, cancel_futures=True)
        for one in self._made.values():
            if not one.cancelled() and one.exception() is None:
                one.result()[0].close()

    @contextmanager
    def acquire(self, index: int, job: Job, tags: JobTags) -> Iterator[Cell]:
        """The cell of run number `index`: the one made ahead, if it was begun, else a new one.

        Raises:
            SandboxUnavailable: no cell could be made.
        """
        made = self._made.pop(index, None)
        if made is None or made.cancel():
            with self._acquire(job, tags) as cell:
                yield cell
            return
        stack, cell = made.result()
        with stack:
            yield cell

    def _make(self, job: Job, tags: JobTags) -> _Held:
        stack = ExitStack()
        return stack, stack.enter_context(self._acquire(job, tags))
