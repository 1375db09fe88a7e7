"""The resource limits of a cell: a value for each that the kernel has, whatever the worker has."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.rlimits import Rlimit, cell_rlimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Sandbox

# The host's own hard limit depends on its memory. It is below Docker's 16384 on a host with less than 4 GiB.
_, OWN = resource.getrlimit(resource.RLIMIT_SIGPENDING)
SIGPENDING = 16_384 if OWN == resource.RLIM_INFINITY else min(16_384, OWN)

#: As the kernel names them in /proc/PID/limits, with what a cell has: soft, hard.
IN_A_CELL = {
    "data size": "unlimited unlimited",
    "stack size": "8388608 8388608",
    "core file size": "1 1",
    "resident set": "unlimited unlimited",
    "open files": "1024 1024",
    "locked memory": "65536 65536",
    "address space": "unlimited unlimited",
    "file locks": "unlimited unlimited",
    "pending signals": f"{SIGPENDING} {SIGPENDING}",
    "msgqueue size": "0 0",
    "nice priority": "0 0",
    "realtime priority": "0 0",
    "realtime timeout": "unlimited unlimited",
}


LISTED = dict.fromkeys(("cpu", "core", "fsize", "nofile", "memlock", "msgqueue"), 15)


@pytest.fixture
def _small_worker() -> Iterator[None]:
    """A worker with small soft limits. A hard limit of this process could not be raised again."""
    names = (resource.RLIMIT_STACK, resource.RLIMIT_SIGPENDING)
    before = {name: resource.getrlimit(name) for name in names}
    for name, (_, hard) in before.items():
        resource.setrlimit(name, (1 << 20 if name == resource.RLIMIT_STACK else 100, hard))
    yield
    for name, limits in before.items():
        resource.setrlimit(name, limits)


def test_there_is_a_value_for_every_limit_of_the_kernel() -> None:
    assert len(cell_rlimits(LISTED)) == len(Path("/proc/self/limits").read_text().splitlines()) - 1


def test_no_value_is_above_what_the_worker_could_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 20))
    limits = {one.name: (one.soft, one.hard) for one in cell_rlimits(LISTED | {"core": 1, "nofile": 1024})}
    assert (limits["core"], limits["nofile"], limits["data"]) == ((1, 1), (20, 20), (20, 20))


def test_no_limit_is_a_word_of_its_own_in_each_form() -> None:
    limit = Rlimit("stack", 8, resource.RLIM_INFINITY)
    assert limit.for_oci() == {"type": "RLIMIT_STACK", "soft": 8, "hard": 2**64 - 1}
    assert limit.for_prlimit() == "--stack=8:unlimited"


@pytest.mark.engine
@pytest.mark.usefixtures("_small_worker")
@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_a_cell_has_all_of_its_own_limits_and_none_of_the_workers(
    request: pytest.FixtureRequest, runtime: str
) -> None:
    box: Sandbox = request.getfixturevalue(runtime)
    said = {}
    for line in box.run("cat /proc/self/limits").stdout.splitlines()[1:]:
        words = line[26:].split()
        said[line[4:26].strip()] = f"{words[0]} {words[1]}"
    assert {name: said[name] for name in IN_A_CELL} == IN_A_CELL
