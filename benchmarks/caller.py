"""An app that sends jobs to a worker and waits for their results. It uses Celery and no cellblock code."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import Celery

from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from celery.result import AsyncResult

__all__ = ["Answer", "Caller"]

_PATIENCE_S = 120.0
_QUEUE = "cellblock"


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, and the seconds from the call until the caller received it."""

    result: dict[str, Any]
    seconds: float


class Caller:
    """One app. Threads can share it: Celery keeps one result consumer for each thread."""

    def __init__(self, url: str, results: str | None = None) -> None:
        self._app = Celery("bench", broker=url, backend=results or url, set_as_current=False)

    def send(
        self,
        cmd: str | list[str] = "echo hi",
        runtime: str = "bash",
        *,
        live: bool = False,
        **request: object,
    ) -> AsyncResult[Any]:
        """Enqueue a command."""
        headers = {"cellblock_sent_at": time.time(), "cellblock_live": live}
        return self._app.send_task(
            "cellblock.run_sandboxed", [cmd, runtime], request, queue=_QUEUE, headers=headers
        )

    def run(self, cmd: str | list[str] = "echo hi", runtime: str = "bash") -> Answer:
        """Enqueue a command and wait for its result."""
        started = time.perf_counter()
        result = self.receive(self.send(cmd, runtime))
        return Answer(result, time.perf_counter() - started)

    def receive(self, sent: AsyncResult[Any]) -> dict[str, Any]:
        """The result of a job, which must succeed.

        Raises:
            BenchError: the job did not succeed.
        """
        result: dict[str, Any] = sent.get(timeout=_PATIENCE_S, interval=0.01)
        if result["status"] != "succeeded":
            raise BenchError(f"A job ended wrong: {result}")
        return result

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
