"""Too much output, slow output and unusual bytes on both streams."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sandbox import CellLost, Status
from tests.conftest import about_last_seen
from tests.programs import unique_sleep

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

LIMIT = 1000
FLOOD = 64 * LIMIT
SLOWLY = """
import sys, time
for byte in 'é€😀'.encode() * 3:
    sys.stdout.buffer.write(bytes([byte])); sys.stdout.buffer.flush(); time.sleep(0.005)
"""
FIFTY = """
import os
for _ in range(50):
    if os.fork() == 0:
        os.write(1, b'x' * 1000); os._exit(0)
for _ in range(50): os.wait()
"""
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: os.write(1, b'x' * 65536)
"""
NONBLOCKING = """
import fcntl, os
for fd in (1, 2): fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
try:
    while True: os.write(1, b'x' * 4096)
except BlockingIOError: os._exit(6)
"""


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param("yes", id="stdout"),
        pytest.param("yes >&2", id="stderr"),
        pytest.param("yes & yes >&2", id="both"),
        pytest.param("cat /dev/zero", id="NUL"),
        pytest.param("tr '\\0' x </dev/zero", id="one endless line"),
        pytest.param("cat /dev/urandom", id="noise"),
        pytest.param("while :; do printf '\\377\\n'; done", id="invalid lines"),
        pytest.param("for i in 1 2 3 4 5 6; do yes & done; wait", id="six at once"),
        pytest.param("exec 2>&1; yes >/proc/self/fd/2", id="by another opening"),
    ],
)
def test_an_endless_flood_stops_the_job(sandbox: Sandbox, flood: str) -> None:
    result = sandbox.run(flood, output_limit=LIMIT, timeout=20)
    assert result.status is Status.OUTPUT_LIMIT
    assert max(len(result.stdout), len(result.stderr)) <= LIMIT


def test_a_flood_that_ignores_sigterm_stops_no_later(python: Python) -> None:
    result = python(DEAF, output_limit=LIMIT, timeout=20)
    assert (result.status, result.signal) == (Status.OUTPUT_LIMIT, "SIGKILL")


def test_the_engine_writes_no_log_of_what_a_job_says(sandbox: Sandbox, engine: docker.APIClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        sleep = unique_sleep(60)
        job = pool.submit(sandbox.run, f"yes | head -c 100000; {sleep}", timeout=60)
        about = about_last_seen(engine, sleep)
        assert isinstance(job.exception(), CellLost)
    assert (about["LogPath"], about["HostConfig"]["LogConfig"]["Type"]) == ("", "none")


def test_a_flood_then_a_good_end_is_a_flood(sandbox: Sandbox) -> None:
    result = sandbox.run("head -c 3000000 /dev/zero; exit 0", output_limit=LIMIT)
    assert result.status is Status.OUTPUT_LIMIT


@pytest.mark.neutral
@pytest.mark.parametrize(
    ("size", "truncated", "status"),
    [
        (LIMIT - 1, False, Status.SUCCEEDED),
        (LIMIT, False, Status.SUCCEEDED),
        (LIMIT + 1, True, Status.SUCCEEDED),
        (FLOOD - 1, True, Status.SUCCEEDED),
        (FLOOD, True, Status.SUCCEEDED),
        (FLOOD + 1, True, Status.OUTPUT_LIMIT),
    ],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_limits_hold_to_the_byte(
    sandbox: Sandbox, size: int, truncated: bool, status: Status, stream: str
) -> None:
    where = ">&2" if stream == "stderr" else ""
    result = sandbox.run(f"head -c {size} /dev/zero | tr '\\0' x {where}", output_limit=LIMIT)
    assert (result.status, getattr(result, f"{stream}_bytes")) == (status, size)
    assert getattr(result, f"{stream}_truncated") is truncated


def test_every_byte_is_carried_and_counted(python: Python) -> None:
    result = python("import os; os.write(1, bytes(range(256)))")
    assert (result.stdout_bytes, result.stdout[:128]) == (256, "".join(map(chr, range(128))))


@pytest.mark.neutral
def test_text_cut_into_single_bytes_is_whole_again(python: Python) -> None:
    result = python(SLOWLY)
    assert (result.stdout, result.stdout_bytes) == ("é€😀" * 3, 27)


@pytest.mark.neutral
def test_half_a_character_at_the_end_is_one_replacement(sandbox: Sandbox) -> None:
    assert sandbox.run(r"printf 'a\303'; printf 'b\342\202' >&2").stdout == "a\ufffd"


@pytest.mark.neutral
def test_nul_is_a_character_like_others(sandbox: Sandbox) -> None:
    assert sandbox.run(r"printf '\0a\0\0b\0'").stdout == "\0a\0\0b\0"


def test_a_trickle_of_single_bytes_loses_none(python: Python) -> None:
    assert python("import os\nfor _ in range(20000): os.write(1, b'x')").stdout_bytes == 20_000


def test_fifty_writers_lose_no_byte(python: Python) -> None:
    assert python(FIFTY, pids=64).stdout_bytes == 50_000


def test_a_pipe_made_nonblocking_and_full_swallows_no_end(python: Python) -> None:
    result = python(NONBLOCKING, output_limit="16m", timeout=20)
    assert (result.status, result.exit_code) == (Status.FAILED, 6)


@pytest.mark.neutral
def test_terminal_escapes_are_bytes_like_others(sandbox: Sandbox) -> None:
    assert sandbox.run(r"printf '\033[2J\033]0;x\007'").stdout == "\x1b[2J\x1b]0;x\x07"


def test_output_after_the_streams_are_closed_goes_nowhere(sandbox: Sandbox) -> None:
    result = sandbox.run("exec >&- 2>&-; echo lost; exit 2")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "")
