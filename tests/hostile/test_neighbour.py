"""An ordinary job next to a hostile one: a bomb on the same worker, and one that takes all that there is."""

from __future__ import annotations

import ctypes
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.caller import Caller
from benchmarks.neighbour import BOMBS, NEIGHBOUR, exploding
from tests.programs import running, unique_sleep
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Sandbox
    from tests.programs import Worker

pytestmark = [pytest.mark.engine, pytest.mark.every_engine, pytest.mark.alone]

JOBS = 4
ROUNDS = 2

#: What the kernel counts for each user, over all cells. Each line takes one more, or raises OSError.
COUNTED = {
    "inotify instances": "checked(libc.inotify_init())",
    "queued signals": "checked(libc.sigqueue(os.getpid(), signal.SIGRTMIN, None))",
    "descriptors in flight": "socket.send_fds(pair[0], [b'x'], [0] * 100)",
    "pages of pipes": "pipes.append(os.pipe()); fcntl.fcntl(pipes[-1][0], 1031, 1 << 20)",
}
#: Takes all, prints how many it got, and holds them as long as the program in its arguments runs.
TAKE = """
import ctypes, fcntl, os, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def checked(answer):
    if answer < 0: raise OSError(ctypes.get_errno(), 'no more')
pair, pipes, taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM), [], 0
pair[0].setblocking(False)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
try:
    while taken < 500_000:
        ONE
        taken += 1
except OSError: pass
print(taken)
subprocess.run(sys.argv[1:])
"""
LOCK = """
import fcntl, os, subprocess, sys
fcntl.flock(os.open('PATH', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
print('locked')
subprocess.run(sys.argv[1:])
"""
#: Prints whether somebody opened the file while the program in its arguments ran.
WATCH = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None)
watch = libc.inotify_init1(os.O_NONBLOCK)
assert libc.inotify_add_watch(watch, b'PATH', 0x20) > 0
subprocess.run(sys.argv[1:])
try: print('seen' if os.read(watch, 4096) else '')
except BlockingIOError: print('quiet')
"""
#: A file of the image, and a device.
SHARED = ["/etc/passwd", "/dev/null"]


@pytest.fixture(scope="module")
def caller(worker: Worker) -> Iterator[Caller]:
    made = Caller(worker.broker_url)
    yield made
    made.close()


def seconds(caller: Caller) -> list[float]:
    """The seconds of a few jobs, one after another. An unsuccessful job is an error."""
    return [caller.run(*NEIGHBOUR).seconds for _ in range(JOBS)]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_job_takes_three_times_as_long_at_most_beside_a_bomb_of(
    worker: Worker, caller: Caller, bomb: str
) -> None:
    alone, beside, ends = list[float](), list[float](), set[str]()
    for _ in range(ROUNDS):
        alone += seconds(caller)
        with exploding(worker.broker_url, bomb, each_s=2) as endings:
            beside += seconds(caller)
        ends |= set(endings)

    assert statistics.median(beside) < 3 * statistics.median(alone)
    assert ends <= {"timed_out", "out_of_memory", "output_limit"}


@contextmanager
def beside(sandbox: Sandbox, source: str) -> Iterator[list[str]]:
    """A job has run this program up to its last line until the block ends. Then the list has its output."""
    sleep, said = unique_sleep(60), list[str]()
    with ThreadPoolExecutor(1) as pool:
        argv = ["python3", "-c", source, *sleep.split()]
        job = pool.submit(sandbox.run, argv, "python", timeout=60)
        (process,) = wait_until(lambda: running(sleep), 20 * PATIENCE, "the neighbour is at it")
        try:
            yield said
        finally:
            process.kill()
            said.append(job.result().stdout)


def ran(sandbox: Sandbox, source: str) -> str:
    """What the program prints."""
    return sandbox.run(["python3", "-c", source, "true"], "python", timeout=20).stdout


@pytest.fixture(params=["crun", "runc"], ids=["oci+crun", "oci+runc"])
def apart(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox whose cells have host ids of their own. Docker's cells are one user to the kernel."""
    real: Sandbox = request.getfixturevalue(request.param)
    return real


@pytest.mark.parametrize("counted", COUNTED)
def test_who_takes_all_that_a_user_may_have_takes_none_of_its_neighbours(
    apart: Sandbox, counted: str
) -> None:
    source = TAKE.replace("ONE", COUNTED[counted])
    with beside(apart, source) as said:
        neighbours = ran(apart, source)
    assert int(neighbours) == int(said[0]) > 5


def test_who_takes_all_inotify_instances_leaves_the_hosts_own_users_theirs(apart: Sandbox) -> None:
    with beside(apart, TAKE.replace("ONE", COUNTED["inotify instances"])):
        instance = ctypes.CDLL(None).inotify_init()
    assert instance >= 0
    os.close(instance)


@pytest.mark.parametrize("path", SHARED)
def test_a_file_that_one_locks_is_free_for_its_neighbour(sandbox: Sandbox, path: str) -> None:
    source = LOCK.replace("PATH", path)
    with beside(sandbox, source) as said:
        assert ran(sandbox, source) == "locked\n"
    assert said == ["locked\n"]


@pytest.mark.parametrize("path", SHARED)
def test_who_watches_a_file_does_not_see_its_neighbour_use_it(sandbox: Sandbox, path: str) -> None:
    with beside(sandbox, WATCH.replace("PATH", path)) as said:
        ran(sandbox, f"open('{path}').close()")
    assert said == ["quiet\n"]
