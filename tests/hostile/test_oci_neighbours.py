"""What two cells of the engine oci that run at the same time, and the host, share in the kernel."""

from __future__ import annotations

import ctypes
import fcntl
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import Result, Sandbox, Status
from sandbox.observer import Observer
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

LIBC = "import ctypes, os, signal; libc = ctypes.CDLL(None)\n"
ALL_INOTIFY = f"{LIBC}while libc.inotify_init() >= 0: pass\n"
ALL_SIGNALS = f"""{LIBC}
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
while libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0: pass
"""
#: Prints device and inode of all that is mounted, and of every file but those that the kernel makes.
INODES = """
import os
paths = [line.split()[4] for line in open('/proc/self/mountinfo')]
for folder, folders, files in os.walk('/'):
    folders[:] = [one for one in folders if os.path.join(folder, one) not in ('/proc', '/sys')]
    paths += [folder, *(os.path.join(folder, name) for name in files)]
for path in paths:
    if os.path.lexists(path):
        about = os.lstat(path)
        print(about.st_dev, about.st_ino, path)
"""
LOCKS = """
import fcntl
paths = '/usr/bin/env', '/etc/passwd', '/dev/null', '/dev/urandom'
held = [open(path, 'rb') for path in paths]
for one in held:
    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture(params=["crun", "runc"])
def box(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox on each OCI runtime in turn."""
    made: Sandbox = request.getfixturevalue(request.param)
    return made


class UntilReady(Observer):
    """Notes when the job says that it is ready, and ends it when it is told to."""

    def __init__(self) -> None:
        self.ready = False
        self.over = False

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        self.ready = self.ready or b"ready" in data

    def wants_stop(self) -> bool:
        return self.over


def python(box: Sandbox, source: str) -> Result:
    return box.run(["python3", "-c", source], "python")


@contextmanager
def beside(box: Sandbox, source: str) -> Iterator[list[Result]]:
    """Run a Python program in a cell, and the block while it waits at its end. Gives its result later."""
    whole = f"{source}\nprint('ready', flush=True); import time; time.sleep(60)"
    observer, results = UntilReady(), list[Result]()
    job = box.parse(["python3", "-c", whole], "python", timeout=60, output_limit="4m")
    neighbour = threading.Thread(target=lambda: results.append(box.run_job(job, observer=observer)))
    neighbour.start()
    try:
        wait_until(lambda: observer.ready, 30, "the neighbour is ready")
        yield results
    finally:
        observer.over = True
        neighbour.join()


def queued_signals() -> int:
    """How many queued signals the kernel counts for this process's user on the host."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("SigQ"))
    return int(line.split()[1].partition("/")[0])


def test_a_cell_that_takes_all_inotify_instances_leaves_those_of_its_neighbour_and_of_root(
    box: Sandbox,
) -> None:
    with beside(box, ALL_INOTIFY):
        assert python(box, f"{LIBC}assert libc.inotify_init() >= 0").status is Status.SUCCEEDED
        mine = ctypes.CDLL(None).inotify_init()
    assert mine >= 0
    os.close(mine)


def test_a_cell_that_queues_all_signals_queues_none_in_the_name_of_root(box: Sandbox) -> None:
    with beside(box, ALL_SIGNALS):
        assert queued_signals() < 1000


def inodes(said: str) -> dict[str, str]:
    """The paths of a cell's files by device and inode."""
    lines = (line.split(" ", 2) for line in said.splitlines() if line != "ready")
    return {f"{device}:{number}": path for device, number, path in lines}


def test_two_cells_share_no_inode(box: Sandbox) -> None:
    with beside(box, INODES) as results:
        mine = inodes(box.run(["python3", "-c", INODES], "python", output_limit="4m").stdout)
    theirs = inodes(results[0].stdout)
    assert len(theirs) > 1000
    assert [path for number, path in theirs.items() if number in mine] == []


def test_what_a_cell_has_locked_its_neighbour_and_the_host_can_lock_too(box: Sandbox) -> None:
    with beside(box, LOCKS):
        assert python(box, LOCKS).stderr == ""
        with Path("/dev/null").open("rb") as null:
            fcntl.flock(null, fcntl.LOCK_EX | fcntl.LOCK_NB)
