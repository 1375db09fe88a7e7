"""What a cell's own supervisor does where nobody outside can read the cell's control group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from sandbox.engines.docker.common_facts import CommonFacts
from sandbox.result import Limit

if TYPE_CHECKING:
    from sandbox import Sandbox


@pytest.fixture
def from_afar(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox on an engine whose control groups this process can't read, as on another machine."""
    monkeypatch.setattr(CommonFacts, "group_of", lambda *_: None)
    return sandbox


def test_it_stops_a_job_that_uses_up_its_cpu_time(from_afar: Sandbox) -> None:
    spin = "for one in 1 2 3 4; do (while :; do :; done) & done; wait"
    result = from_afar.run(spin, cpu_time=0.5, timeout=20)

    assert (result.status, result.limit) == (Status.TIMED_OUT, Limit.CPU_TIME)
    assert 0.5 <= (result.cpu_seconds or 0) < 1


def test_it_lets_a_job_run_that_uses_less(from_afar: Sandbox) -> None:
    assert from_afar.run("sleep 1", cpu_time=0.5).status is Status.SUCCEEDED
