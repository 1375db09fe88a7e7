"""What programs in all languages can do, and what happens when they exceed a limit."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from tests.runtimes.conftest import Start

pytestmark = pytest.mark.engine

COMPILED = ("cpp", "java")
#: The error of each runtime for its broken program.
COMPLAINTS = {
    "bash": "yntax error",
    "cpp": "main.cpp:1:21: error: \u2018oops\u2019 was not declared",
    "dotnet": "BadImageFormatException",
    "java": "Main.java:2: error: incompatible types: String cannot be converted to int",
    "node": "SyntaxError: missing ) after argument list",
    "python": "SyntaxError: '(' was never closed",
}


@pytest.mark.every_engine
def test_hello_succeeds_with_nothing_on_stderr(start: Start, runtime: str) -> None:
    result = start("hello")
    assert (result.status, result.exit_code, result.stdout, result.stderr) == ("succeeded", 0, "hello\n", "")
    assert (result.runtime, result.stage) == (runtime, "run")


def test_stdin_is_read_to_its_end(start: Start) -> None:
    result = start("stdin", stdin="".join(f"{number}\n" for number in range(1, 1001)))
    assert (result.stdout, result.stderr) == ("500500\n", "")


def test_a_program_of_several_files_finds_them_all(start: Start) -> None:
    result = start("several")
    assert (result.stdout, result.stderr) == ("hello world\n", "")


def test_what_a_program_writes_comes_back(start: Start) -> None:
    result = start("artifact", artifacts=["out/"])
    contents = {path: base64.b64decode(found.base64) for path, found in result.artifacts.items()}
    assert contents == {"out/result.txt": b"made\n"}


def test_a_broken_program_fails_with_its_tools_words(start: Start, runtime: str) -> None:
    result = start("broken")
    # .NET ends with SIGABRT.
    assert result.status == (Status.SIGNALED if runtime == "dotnet" else Status.FAILED)
    assert result.stage == ("compile" if runtime in COMPILED else "run")
    assert COMPLAINTS[runtime] in result.stderr


def test_a_program_that_never_ends_times_out(start: Start) -> None:
    result = start("loop", timeout=1, grace=0.2)
    assert (result.status, result.stage) == (Status.TIMED_OUT, "run")
    assert 1 <= result.duration < 5


def test_a_program_that_eats_memory_is_out_of_memory(start: Start) -> None:
    result = start("memory", memory="128m", timeout=60)
    assert result.status is Status.OUT_OF_MEMORY


def test_fifty_at_a_time_are_no_problem(start: Start) -> None:
    result = start("threads", memory="1g", timeout=60)
    assert (result.status, result.stdout.strip(), result.stderr) == (Status.SUCCEEDED, "50", "")


def test_source_and_output_may_be_in_any_script(start: Start) -> None:
    result = start("unicode")
    assert (result.stdout, result.stderr) == ("héllo, 世界\n", "")


@pytest.mark.parametrize("runtime", ["cpp", "dotnet", "java", "node", "python"], indirect=True)
def test_servers_on_the_loopback_are_reached_by_their_clients(start: Start) -> None:
    result = start("loopback", timeout=60)
    assert (result.stderr, result.stdout.split()) == ("", ["tcp", "udp", "unix", "events", "127.0.0.1"])
