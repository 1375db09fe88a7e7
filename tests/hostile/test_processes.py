"""Processes and signals: fork bombs, daemons, stopped processes, and signals to the supervisor."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from tests.programs import runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

FORKS = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
THREADS = """
import threading, time
while True:
    try: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError: pass
"""
SPAWNS = """
import subprocess
while True:
    try: subprocess.Popen(['sleep', '60'])
    except OSError: pass
"""
SHELLS = "bomb() { bomb | bomb & }; (bomb); while :; do :; done"
REBORN = "import os\nwhile True:\n    if os.fork(): os._exit(0)\n"
COUNT = """
import os, signal, time
born = 0
while True:
    try: pid = os.fork()
    except OSError: break
    if not pid: time.sleep(60)
    born += 1
print(born)
"""
COUNT_THREADS = """
import os, threading, time
born = 0
while True:
    try: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError: break
    born += 1
print(born, flush=True)
os._exit(0)
"""
STUBBORN = """
import signal
for number in signal.valid_signals():
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True: pass
"""
ORPHANS = """
import os
for _ in range(200):
    if (middle := os.fork()) == 0:
        os._exit(0 if os.fork() else 0)
    os.waitpid(middle, 0)
print('all born')
"""
ZOMBIES = """
import os
born = 0
try:
    while True:
        if os.fork() == 0: os._exit(0)
        born += 1
except OSError: print(born)
"""


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(["python3", "-c", FORKS], id="forks"),
        pytest.param(["python3", "-c", THREADS], id="threads"),
        pytest.param(["python3", "-c", SPAWNS], id="spawned programs"),
        pytest.param(["/bin/sh", "-c", SHELLS], id="shell functions"),
    ],
)
def test_a_bomb_that_swallows_errors_ends_at_its_deadline(sandbox: Sandbox, bomb: list[str]) -> None:
    result = sandbox.run(bomb, "python", timeout=0.7, grace=0.1, pids=24, cpus=0.5)
    assert result.status is Status.TIMED_OUT


def test_a_bomb_that_flees_from_parent_to_child_is_gone_with_its_result(sandbox: Sandbox) -> None:
    unique = f"flight-{secrets.token_hex(6)}"
    sandbox.run(["python3", "-c", REBORN, unique], "python", timeout=0.5, grace=0.1, pids=16, cpus=0.5)
    sandbox.settle()
    assert not runs(unique)


@pytest.mark.parametrize("source", [COUNT, COUNT_THREADS, ZOMBIES], ids=["processes", "threads", "zombies"])
def test_there_are_never_more_than_were_asked_for(python: Python, source: str) -> None:
    assert int(python(source, pids=20, timeout=10).stdout) == 20 - 3


def test_a_neighbour_forks_as_if_the_bomb_were_not_there(sandbox: Sandbox, python: Python) -> None:
    with ThreadPoolExecutor(1) as pool:
        bomb = pool.submit(python, FORKS, timeout=1.5, grace=0, pids=64, cpus=0.3)
        neighbour = sandbox.run("for i in 1 2 3 4 5; do (echo $i); done", timeout=20)
        assert (neighbour.stdout, bomb.result().status) == ("1\n2\n3\n4\n5\n", Status.TIMED_OUT)


@pytest.mark.parametrize(
    "flight",
    [
        pytest.param("({sleep} &)", id="double fork"),
        pytest.param("setsid {sleep} >/dev/null 2>&1 </dev/null &", id="session of its own"),
        pytest.param("(trap '' TERM HUP INT; {sleep} &) ", id="deaf to signals"),
        pytest.param("nohup {sleep} >/dev/null 2>&1 &", id="nohup"),
        pytest.param("(cd / && exec {sleep} >&- 2>&- <&-) &", id="with no streams"),
        pytest.param("{sleep} & kill -STOP $!", id="stopped"),
    ],
)
def test_a_child_that_outlives_the_command_is_gone(sandbox: Sandbox, flight: str) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    result = sandbox.run(flight.format(sleep=f"sleep {unique}") + "\nexit 6", "python", timeout=20)
    assert (result.exit_code, result.duration < 10) == (6, True)
    wait_until(lambda: not runs(unique), 10, "the child is gone")


def test_a_process_deaf_to_every_signal_is_killed_after_its_grace(python: Python) -> None:
    result = python(STUBBORN, timeout=2, grace=0.2)
    assert (result.status, result.signal) == (Status.TIMED_OUT, "SIGKILL")


@pytest.mark.parametrize("runtime", ["bash", "python"])
@pytest.mark.parametrize("signal", ["KILL", "STOP", "TERM", "INT", "QUIT", "HUP", "SEGV", "CHLD"])
def test_a_signal_to_the_supervisor_does_nothing(sandbox: Sandbox, signal: str, runtime: str) -> None:
    result = sandbox.run(f"kill -{signal} 1; exit 7", runtime, timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 7)


def test_who_kills_everything_but_itself_still_gives_its_own_exit_code(sandbox: Sandbox) -> None:
    result = sandbox.run("kill -KILL -1; exit 3", timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 3)


def test_who_kills_its_process_group_is_dead_alone(python: Python) -> None:
    result = python("import os; os.setsid(); os.kill(0, 9)", timeout=20)
    assert (result.status, result.signal) == (Status.SIGNALED, "SIGKILL")


@pytest.mark.parametrize(
    "freeze",
    [
        pytest.param("kill -STOP -1; while :; do :; done", id="everything else"),
        pytest.param("kill -STOP $$", id="itself"),
        pytest.param("(sleep 60) & kill -STOP $$", id="a parent whose child runs"),
        pytest.param("sleep 60 & kill -STOP $!; wait", id="a child that is waited for"),
    ],
)
def test_what_is_stopped_ends_at_the_deadline_all_the_same(sandbox: Sandbox, freeze: str) -> None:
    result = sandbox.run(freeze, timeout=0.4, grace=0.1)
    assert (result.status, result.duration < 5) == (Status.TIMED_OUT, True)


def test_orphans_that_have_ended_make_room_for_others(python: Python) -> None:
    assert python(ORPHANS, pids=24, timeout=20).stdout == "all born\n"


def test_the_exit_code_is_the_commands_and_no_childs(sandbox: Sandbox) -> None:
    assert sandbox.run("(exit 9) & wait; exit 4").exit_code == 4


def test_no_process_outside_the_cell_can_be_signalled(python: Python) -> None:
    source = """
import os
def there(pid):
    try: os.kill(pid, 0)
    except ProcessLookupError: return False
    except PermissionError: pass
    return True
print(sum(map(there, range(2, 70000))))
"""
    assert int(python(source).stdout) <= 2


def test_a_debt_of_unanswered_signals_stays_in_the_cell(python: Python) -> None:
    source = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
for _ in range(5000): os.kill(os.getpid(), signal.SIGRTMIN)
print('queued')
"""
    assert python(source).stdout == "queued\n"
