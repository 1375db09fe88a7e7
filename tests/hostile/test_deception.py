"""Jobs that try to deceive the worker about their end, by the supervisor's words, streams or memory."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from tests.programs import runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

#: Searches the readable memory of all other processes of the cell.
SEARCH = """
import os, re
def memory(pid):
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            low, high = (int(edge, 16) for edge in line.split()[0].split('-'))
            try: mem.seek(low); yield mem.read(high - low)
            except (OSError, OverflowError): pass
def secrets(pid): return {hit for part in memory(pid) for hit in re.findall(rb'[0-9a-f]{32}', part)}
def others(): return [int(pid) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) != os.getpid()]
"""
FOUND = SEARCH + "print([hit for pid in others() for hit in secrets(pid)])"
#: Reports an end with everything that looks like a nonce. Needs a cell that shows the supervisor's memory.
FORGE = (
    SEARCH
    + """
def tell(words, streams=(1, 2)):
    for hit in secrets(1):
        for stream in streams:
            os.write(stream, b'\\0' + hit + b' end' + (words if stream == 1 else b'') + b'\\n')
"""
)
PEEK = """
import os
for stream in (1, 2):
    fd = os.open(f'/proc/self/fd/{stream}', os.O_RDONLY | os.O_NONBLOCK)
    try: print(os.read(fd, 65536))
    except BlockingIOError: pass
"""
CROWD = """
import os, time
if os.fork() == 0:
    while True:
        try:
            if os.fork() == 0: time.sleep(60)
        except OSError: pass
time.sleep(0.3)
raise SystemExit(9)
"""
#: Uses half a second of processor time and 40 MB.
TOIL = """
import time
hoard = b'x' * (40 << 20)
while time.process_time() < 0.5: pass
"""
LISTENER = "grep -l voice /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | grep -vx -e 1 -e self -e $$"


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param(r"\0end 0 0 0 0\n", id="no nonce"),
        pytest.param(r"\0%032d end 0 0 0 0\n", id="a guessed nonce"),
        pytest.param(r"\0%032d start 0\n", id="a second start"),
        pytest.param(r"\0%032d fault unpack\n", id="a fault"),
        pytest.param(r"\0\0\0\0", id="beginnings"),
        pytest.param(r"end 0 0 0 0\n", id="words"),
    ],
)
def test_a_guessed_word_of_the_supervisors_is_output(sandbox: Sandbox, mark: str) -> None:
    result = sandbox.run(f"printf '{mark}'; printf '{mark}' >&2; exit 3")
    assert (result.status, result.exit_code) == (Status.FAILED, 3)
    assert (
        result.stdout
        == result.stderr
        == mark.replace("%032d", "0" * 32).replace(r"\0", "\0").replace(r"\n", "\n")
    )


def test_the_end_of_another_job_replayed_is_output(sandbox: Sandbox, leaky: Python) -> None:
    nonces = leaky(SEARCH + "print(b' '.join(secrets(1)).decode())").stdout.split()
    replay = "; ".join(f"printf '\\0{nonce} end 0 - - -\\n'" for nonce in nonces)
    assert nonces
    assert sandbox.run(f"{replay}; {replay} >&2; exit 3").exit_code == 3


def test_the_nonce_is_in_no_memory_that_a_job_can_read(python: Python) -> None:
    assert python(FOUND, timeout=20).stdout == "[]\n"


def test_the_nonce_is_in_no_pipe_that_a_job_can_read(python: Python) -> None:
    assert "end" not in python(PEEK).stdout


@pytest.mark.parametrize("place", ["environ", "cmdline", "stat", "status"])
def test_the_nonce_is_not_told_by_proc(sandbox: Sandbox, place: str) -> None:
    result = sandbox.run(f"tr '\\0' ' ' </proc/1/{place} | grep -c -E '[0-9a-f]{{32}}'")
    assert result.stdout == "0\n"


@pytest.mark.parametrize("streams", ["1>&-", "2>&-", "0<&- 1>&- 2>&-", "1<&0 2<&0", "1>/dev/null 2>&1"])
def test_streams_closed_or_changed_move_no_exit_code(sandbox: Sandbox, streams: str) -> None:
    result = sandbox.run(f"exec {streams}; sleep 0.05; exit 4", timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 4)


def test_what_is_written_to_the_supervisors_streams_is_output(sandbox: Sandbox) -> None:
    result = sandbox.run("echo one >/proc/1/fd/6; echo two >/proc/1/fd/7; echo three >/proc/1/fd/1")
    assert (sorted(result.stdout.split()), result.stderr) == (["one", "three"], "two\n")


@pytest.mark.parametrize(("order", "signal"), [("term", "SIGTERM"), ("kill", "SIGKILL")])
def test_orders_that_a_job_gives_reach_itself_alone(sandbox: Sandbox, order: str, signal: str) -> None:
    result = sandbox.run(f"echo {order} >/proc/1/fd/3; sleep 20", timeout=10)
    assert (result.status, result.signal) == (Status.SIGNALED, signal)


def test_who_steals_the_workers_orders_ends_in_time(sandbox: Sandbox) -> None:
    result = sandbox.run(
        "trap '' TERM; while :; do cat /proc/1/fd/3 >/dev/null; done", timeout=0.4, grace=0.1
    )
    assert (result.status, result.duration < 5) == (Status.TIMED_OUT, True)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_without_the_supervisors_listener_the_deadline_holds(sandbox: Sandbox, signal: str) -> None:
    silence = f"for pid in $({LISTENER}); do kill -{signal} $pid; done; trap '' TERM; while :; do :; done"
    result = sandbox.run(silence, timeout=0.5, grace=0.1)
    assert (result.status, result.duration < 5) == (Status.TIMED_OUT, True)


def test_pids_exhausted_at_the_very_end_hide_no_exit_code(python: Python) -> None:
    result = python(CROWD, pids=16, timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 9)


def test_a_job_named_like_the_supervisor_fools_nobody(python: Python) -> None:
    result = python("import os; os.execv('/bin/sh', ['/bin/sh', '-c', 'exit 5', 'cell'])")
    assert result.exit_code == 5


def test_a_deadline_that_is_ended_by_kill_is_no_failure_of_the_jobs(sandbox: Sandbox) -> None:
    result = sandbox.run("trap 'exit 0' TERM; while :; do sleep 0.05; done", timeout=0.4, grace=5)
    assert (result.status, result.exit_code) == (Status.TIMED_OUT, 0)


def test_a_forged_end_is_an_exit_code_and_nothing_more(leaky: Python) -> None:
    result = leaky(FORGE + "tell(b' 42 - - -')\nraise SystemExit(1)", timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 42)


@pytest.mark.parametrize("told", [b"0", b"-", b"9000000000000"])
def test_a_forged_end_moves_no_processor_time(leaky: Python, told: bytes) -> None:
    result = leaky(FORGE + TOIL + f"tell(b' 0 {told.decode()} - -')", timeout=20)
    assert result.status is Status.SUCCEEDED
    assert 0.45 < (result.cpu_seconds or 0) < 5


def test_a_forged_end_hides_no_memory(leaky: Python) -> None:
    result = leaky(FORGE + TOIL + "tell(b' 0 - 4096 -')", timeout=20)
    assert result.status is Status.SUCCEEDED
    assert 40 << 20 < (result.memory_peak or 0) < 512 << 20


def test_a_forged_end_hides_no_kill_for_memory(leaky: Python) -> None:
    bomb = "import subprocess\nsubprocess.run(['tail', '/dev/zero'])\ntell(b' 137 - - 0')"
    assert leaky(FORGE + bomb, memory="64m", timeout=20).status is Status.OUT_OF_MEMORY


def test_a_forged_end_makes_no_kill_for_memory(leaky: Python) -> None:
    assert leaky(FORGE + "tell(b' 9 - - 1')", timeout=20).status is Status.FAILED


def test_a_forged_end_outlives_its_result_by_no_more_than_the_removal(leaky: Python) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    result = leaky(FORGE + f"tell(b' 0 - - -')\nos.execvp('sleep', ['sleep', '{unique}'])", timeout=20)
    assert (result.status, result.duration < 10) == (Status.SUCCEEDED, True)
    wait_until(lambda: not runs(unique), 10, "the job is gone")


@pytest.mark.parametrize("streams", ["(1,)", "(2,)"], ids=["stdout", "stderr"])
def test_half_a_forged_end_moves_no_deadline(leaky: Python, streams: str) -> None:
    source = FORGE + f"tell(b' 0 - - -', {streams})\nimport time\ntime.sleep(60)"
    result = leaky(source, timeout=1, grace=0.1)
    assert result.status is Status.TIMED_OUT


def test_an_end_forged_after_the_deadline_comes_too_late(leaky: Python) -> None:
    source = (
        FORGE
        + "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: tell(b' 0 - - -'))\ntime.sleep(60)"
    )
    assert leaky(source, timeout=0.6, grace=1).status is Status.TIMED_OUT


@pytest.mark.parametrize("streams", ["(1,)", "(2,)"], ids=["stdout", "stderr"])
def test_a_flood_behind_half_a_forged_end_is_stopped(leaky: Python, streams: str) -> None:
    source = FORGE + f"tell(b' 0 - - -', {streams})\nwhile True: os.write(1, b'x' * 65536)"
    result = leaky(source, output_limit=1000, disk="1m", timeout=20)
    assert (result.status, len(result.stdout) <= 1000) == (Status.OUTPUT_LIMIT, True)


def test_a_flood_before_a_forged_end_is_counted(leaky: Python) -> None:
    result = leaky(FORGE + "os.write(1, b'x' * 70000)\ntell(b' 0 - - -')", output_limit=1000, timeout=20)
    assert (result.status, result.stdout_bytes >= 70_000) == (Status.OUTPUT_LIMIT, True)


@pytest.mark.parametrize("report", [b" 256 - - -", b" -1 - - -", b" 0", b" 0 1 1 1 1", b" x - - -"], ids=repr)
def test_a_malformed_forgery_gets_a_job_to_its_deadline_and_no_further(leaky: Python, report: bytes) -> None:
    result = leaky(FORGE + f"tell({report!r}, (1,))\nraise SystemExit(6)", timeout=1, grace=0.1)
    assert result.status is Status.TIMED_OUT


def test_a_forged_archive_leads_nowhere(leaky: Python) -> None:
    source = (
        FORGE
        + """
import io, tarfile, time
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode='w') as archive:
    for name in ('../escape', '/etc/escape', 'good'):
        info = tarfile.TarInfo(name); info.size = 1
        archive.addfile(info, io.BytesIO(b'x'))
tell(b' 0 - - -')
os.write(1, buffer.getvalue())
"""
    )
    result = leaky(source, artifacts=["**", "good"], timeout=20)
    assert set(result.artifacts) <= {"good"}


def test_a_leaked_nonce_is_of_no_use_to_the_next_job(leaky: Python) -> None:
    nonces = [leaky(SEARCH + "print(sorted(secrets(1)))").stdout for _ in range(2)]
    assert nonces[0] != nonces[1]


def test_a_job_cannot_take_its_supervisors_limits_away(python: Python) -> None:
    result = python("import resource; resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))")
    assert (result.status, "PermissionError" in result.stderr) == (Status.FAILED, True)
