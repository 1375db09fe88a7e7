"""The kernel's wait before it moves a process between control groups is begun early, and moves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.grace_period import GracePeriod
from tests.sandbox.engines.conftest import write
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("version", "own", "procs"),
    [
        ("version_2", "0::/worker.slice/worker\n", "worker.slice/worker/cgroup.procs"),
        ("version_1", "4:memory:/workers\n1:cpu:/\n0::/\n", "memory/workers/cgroup.procs"),
    ],
)
def test_a_process_is_put_into_the_group_in_which_it_is(
    request: pytest.FixtureRequest, version: str, own: str, procs: str
) -> None:
    root: Path = request.getfixturevalue(version)
    write(root, {procs: "", "own": own})
    GracePeriod(root, root / "own").begin()
    wait_until(lambda: (root / procs).read_text() == "0", 5, f"{procs} is written")


def test_nothing_is_begun_while_the_kernel_need_not_wait(
    version_2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[object]()
    monkeypatch.setattr("sandbox.engines.oci.grace_period.start_thread", lambda *_, **__: begun.append(1))
    period = GracePeriod(version_2, version_2 / "own")
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    period.note_move()
    period.begin()
    assert not begun
    monkeypatch.setattr("time.monotonic", lambda: 100.0051)
    period.begin()
    assert begun


@pytest.mark.parametrize("own", ["0::/not-there\n", "4:memory,other:/workers\n"])
def test_a_process_whose_group_can_not_be_told_or_written_stays_where_it_is(
    version_2: Path, own: str
) -> None:
    write(version_2, {"own": own, "cgroup.procs": ""})
    GracePeriod(version_2, version_2 / "own")._move()
    assert (version_2 / "cgroup.procs").read_text() == ""
