"""The thread that starts the OCI runtimes: what it sees and what it has, and that nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.launcher import Launcher, forget_launcher, this_launcher
from tests.conftest import unavailable
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNTS = Path("/proc/thread-self/ns/mnt")
FORKED = """
import os
from sandbox.engines.oci.launcher import this_launcher
this_launcher().do(lambda: None)
child = os.fork()
if child == 0:
    os._exit(this_launcher().do(lambda: 7))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        unavailable("The engine oci needs root here.")


@pytest.fixture
def launcher() -> Launcher:
    """The launcher of a worker that is nice and bound to one processor."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    os.setpriority(os.PRIO_PROCESS, 0, 5)
    try:
        made = Launcher()
        made.do(lambda: None)
    finally:
        os.sched_setaffinity(0, processors)
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    return made


def said_by(launcher: Launcher, *command: str) -> str:
    program = launcher.do(lambda: subprocess.Popen(command, stdout=subprocess.PIPE))
    return program.communicate()[0].decode().strip()


def test_its_programs_have_mounts_of_their_own_and_nobody_else_does(launcher: Launcher) -> None:
    before = str(MOUNTS.readlink())
    assert said_by(launcher, "readlink", "/proc/self/ns/mnt") == str(launcher.do(MOUNTS.readlink))
    assert str(launcher.do(MOUNTS.readlink)) != before
    beside: list[str] = []
    thread = threading.Thread(target=lambda: beside.append(str(MOUNTS.readlink())))
    thread.start()
    thread.join()
    assert [str(MOUNTS.readlink()), *beside] == [before, before]
    assert subprocess.check_output(["readlink", "/proc/self/ns/mnt"], text=True).strip() == before


def test_its_programs_see_one_version_of_control_groups(launcher: Launcher) -> None:
    names = set(said_by(launcher, "ls", "/sys/fs/cgroup").split())
    of_host = {path.name for path in Path("/sys/fs/cgroup").iterdir()}
    assert names == of_host - {"unified"}


def test_its_programs_have_all_processors_and_no_nice_value_of_the_worker(launcher: Launcher) -> None:
    said = said_by(launcher, "sh", "-c", "nproc; nice").split()
    assert said == [str(len(os.sched_getaffinity(0))), "0"]


def test_what_its_function_raises_reaches_the_caller_and_it_goes_on(launcher: Launcher) -> None:
    with pytest.raises(ZeroDivisionError):
        launcher.do(lambda: 1 // 0)
    assert launcher.do(lambda: "next") == "next"


@pytest.fixture
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_alarm")
def test_a_function_never_runs_after_its_caller_was_interrupted(launcher: Launcher) -> None:
    may_go_on, ran = threading.Event(), list[str]()
    busy = threading.Thread(target=lambda: launcher.do(may_go_on.wait))
    busy.start()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(TimeoutError):
        launcher.do(lambda: ran.append("late"))
    may_go_on.set()
    busy.join()
    launcher.do(lambda: None)
    assert ran == []


def test_a_forked_process_has_a_launcher_of_its_own() -> None:
    said = subprocess.check_output([sys.executable, "-c", FORKED], cwd=ROOT, text=True, timeout=60)
    assert said == "7\n"


def test_threads_that_ask_at_the_same_time_get_the_same_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each has mounts of its own: a cell that one has prepared can't be started by another.
    barrier, prepared = threading.Barrier(2), Launcher.__init__

    def slowly(self: Launcher) -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(0.2)
        prepared(self)

    monkeypatch.setattr(Launcher, "__init__", slowly)
    forget_launcher()
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: this_launcher(), range(2))
    assert one is other
