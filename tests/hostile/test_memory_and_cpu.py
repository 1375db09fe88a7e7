"""All kinds of memory that the limit counts, and processor time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox import Status
from sandbox.result import Limit
from tests.programs import running, unique_sleep
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

ANONYMOUS = "import mmap; m = mmap.mmap(-1, 200 << 20); m.write(bytes(200 << 20))"
MEMFD = "import os; f = os.memfd_create('x')\nwhile True: os.write(f, bytes(1 << 20))"
SYSV = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
while True: ctypes.memset(libc.shmat(libc.shmget(0, 1 << 24, 0o1600), None, 0), 1, 1 << 24)
"""
TOGETHER = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        held = b'x' * (16 << 20)
        time.sleep(30)
while True: os.wait()
"""
BRIEF = """
import os
while True:
    if os.fork() == 0:
        for _ in range(200_000): pass
        os._exit(0)
    os.wait()
"""
UNTOLD = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        while True: pass
os.kill(os.getpid(), signal.SIGSTOP)
"""
THREADS = """
import threading
def eat():
    held = []
    while True: held.append(bytes(1 << 20).replace(b'\\0', b'x'))
for _ in range(8): threading.Thread(target=eat).start()
"""
SOCKETS = """
import socket
held = []
while True:
    pair = socket.socketpair()
    held.append(pair)
    pair[0].setblocking(False)
    try:
        while True: pair[0].send(bytes(65536))
    except BlockingIOError: pass
"""
STATIC = """
#include <string.h>
static char big[1u << 30];
int main(void) { memset(big, 1, sizeof big); return big[12345] - 1; }
"""
SPIN = "while True: pass"
SPINNING_THREADS = """
import threading
def spin():
    while True: pass
for _ in range(8): threading.Thread(target=spin).start()
"""
GRANDCHILD = """
import os, time
ended, running = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        while time.process_time() < 0.4: pass
    os._exit(0)
os.wait()
os.close(running)
os.read(ended, 1)
"""
REALTIME = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"


@pytest.mark.parametrize(
    "hog",
    [
        pytest.param("x = b'x' * (300 << 20)", id="one block"),
        pytest.param(ANONYMOUS, id="shared and anonymous"),
        pytest.param(MEMFD, id="a file in memory"),
        pytest.param(SYSV, id="shared memory segments"),
        pytest.param(THREADS, id="many threads"),
        pytest.param("f = open('/workspace/x', 'wb')\nwhile True: f.write(bytes(1 << 20))", id="workspace"),
        pytest.param("f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(1 << 20))", id="tmp"),
        pytest.param("f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(1 << 20))", id="dev shm"),
        pytest.param("for i in range(10**7): open(f'/dev/shm/{i}', 'w').close()", id="empty files"),
    ],
)
def test_too_much_memory_is_out_of_memory(python: Python, hog: str) -> None:
    result = python(hog, memory="48m", disk="256m", timeout=20 * PATIENCE)
    assert (result.status, result.exit_code) == (Status.OUT_OF_MEMORY, 137)


def test_many_processes_share_one_limit(python: Python) -> None:
    result = python(TOGETHER + "\n", memory="64m", timeout=3, grace=0)
    assert result.memory_peak is not None
    # With version 2 of control groups, processes that the kernel is killing may take some pages more.
    assert result.memory_peak <= 65 << 20


def test_what_the_kernel_holds_for_a_job_is_the_jobs(python: Python) -> None:
    result = python(SOCKETS, memory="32m", timeout=10, grace=0)
    assert result.status is not Status.SUCCEEDED
    assert (result.memory_peak or 0) <= 32 << 20


def test_what_older_kernels_do_not_count_is_bounded(sandbox: Sandbox) -> None:
    own = "kernel/sem net/ipv4/tcp_rmem net/ipv4/tcp_wmem net/ipv4/tcp_max_tw_buckets"
    result = sandbox.run(f"cd /proc/sys && cat {own}")
    windows = "4096 16384 65536"
    assert " ".join(result.stdout.split()) == f"250 32000 100 128 {windows} {windows} 4096"


def test_static_data_larger_than_the_cell_is_out_of_memory(sandbox: Sandbox) -> None:
    result = sandbox.run(None, files={"main.c": STATIC}, memory="32m", timeout=20)
    assert (result.status, result.stage) == (Status.OUT_OF_MEMORY, "run")


def test_memory_that_was_given_back_is_counted_in_the_peak(python: Python) -> None:
    result = python("x = b'x' * (60 << 20); del x; print('freed')", memory="128m")
    assert (result.stdout, (result.memory_peak or 0) > 60 << 20) == ("freed\n", True)


def test_there_is_no_swap_to_flee_to(sandbox: Sandbox) -> None:
    sleep = unique_sleep(60)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(sandbox.run, ["sleep", sleep.split()[1]], memory="64m", timeout=60)
        (process,) = wait_until(lambda: running(sleep), 20, "the job runs")
        swap = swap_limit(process)
        process.kill()
        assert job.result().signal == "SIGKILL"
    assert swap in {"0", str(64 << 20)}


def swap_limit(process: psutil.Process) -> str:
    """The limit of swap (cgroup version 2), or of memory and swap together (version 1)."""
    lines = Path(f"/proc/{process.pid}/cgroup").read_text().splitlines()
    paths = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    if "memory" in paths:
        return Path(f"/sys/fs/cgroup/memory{paths['memory']}/memory.memsw.limit_in_bytes").read_text().strip()
    return Path(f"/sys/fs/cgroup{paths['']}/memory.swap.max").read_text().strip()


def test_no_memory_can_be_kept_from_being_reclaimed(python: Python) -> None:
    lock = "import ctypes; print(ctypes.CDLL(None).mlockall(3))"
    assert python(lock).stdout == "-1\n"


def test_a_job_is_the_kernels_choice_before_the_worker(sandbox: Sandbox) -> None:
    assert sandbox.run("cat /proc/self/oom_score_adj").stdout == "900\n"


@pytest.mark.parametrize("spin", [SPIN, SPINNING_THREADS], ids=["alone", "by threads"])
def test_spinning_ends_at_the_deadline_and_within_its_cores(python: Python, spin: str) -> None:
    result = python(spin, timeout=1, grace=0.1, cpus=0.3)
    assert result.status is Status.TIMED_OUT
    assert 0.1 < (result.cpu_seconds or 0) < 0.3 * result.duration + 0.4


def test_the_time_of_a_grandchild_that_fled_is_counted(python: Python) -> None:
    # The job measures by another clock than the control group.
    assert (python(GRANDCHILD, timeout=20).cpu_seconds or 0) >= 0.39


def test_processor_time_ends_even_when_nobody_keeps_the_deadline(sandbox: Sandbox) -> None:
    result = sandbox.run("ulimit -t; ulimit -H -t", timeout=3, grace=1, cpus=1)
    assert result.stdout == "9\n9\n"


@pytest.mark.parametrize(
    "push",
    [REALTIME, "import os; os.nice(-1)", "import os; os.setpriority(os.PRIO_PROCESS, 0, -20)"],
    ids=["real time", "nice", "priority"],
)
def test_no_job_gets_ahead_of_others(python: Python, push: str) -> None:
    assert "PermissionError" in python(push).stderr


@pytest.mark.parametrize("program", [BRIEF, UNTOLD], ids=["brief processes", "processes nobody waits for"])
def test_no_process_hides_processor_time(python: Python, program: str) -> None:
    result = python(program, cpu_time=0.5, timeout=20)

    assert (result.status, result.limit) == (Status.TIMED_OUT, Limit.CPU_TIME)
    assert 0.5 <= (result.cpu_seconds or 0) < 0.8
