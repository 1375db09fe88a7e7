"""An observer receives all output of a job and can stop the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Observer, Status, together
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from sandbox import Sandbox
    from sandbox.cell import CellInfo
    from sandbox.result import Result

pytestmark = pytest.mark.engine


class Listener(Observer):
    """An observer that records the containers and the output of its job."""

    def __init__(self) -> None:
        self.containers: list[str | None] = []
        self.heard_bytes = b""

    def placed(self, info: CellInfo) -> None:
        self.containers.append(info.container)

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        self.heard_bytes += data


class Stopper(Listener):
    """An observer that stops the job as soon as the job has written something."""

    def wants_stop(self) -> bool:
        return bool(self.heard_bytes)


def _run(sandbox: Sandbox, cmd: str, observer: Observer) -> Result:
    job = sandbox.parse(cmd, "bash")
    return sandbox.run_job(job, observer=observer)


def test_a_job_that_is_no_longer_wanted_is_cancelled_with_its_output_so_far(sandbox: Sandbox) -> None:
    result = _run(sandbox, "echo so far; trap '' TERM; sleep 60", Stopper())
    assert (result.status, result.stdout) == (Status.CANCELLED, "so far\n")
    assert result.duration < 2 * PATIENCE


def test_an_observer_knows_the_container_and_hears_what_the_job_wrote(sandbox: Sandbox) -> None:
    observer = Listener()
    result = _run(sandbox, "echo out; echo err >&2", observer)
    assert (observer.containers, sorted(observer.heard_bytes.split())) == (
        [result.container],
        [b"err", b"out"],
    )


def test_several_observers_hear_the_same_and_each_can_end_the_job(sandbox: Sandbox) -> None:
    listener, stopper = Listener(), Stopper()
    result = _run(sandbox, "echo heard; sleep 60", together(listener, None, stopper))
    assert result.status is Status.CANCELLED
    assert (listener.containers, listener.heard_bytes) == (stopper.containers, b"heard\n")
