"""A program may use most of its cell's memory, and one that needs more is out of memory, whoever notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from sandbox import Result, Sandbox
    from tests.runtimes.conftest import Program, Start

pytestmark = pytest.mark.engine

CATCHES = """
public class Main {
    public static void main(String[] args) {
        try {
            System.out.println(new long[1 << 30].length);
        } catch (OutOfMemoryError error) {
            System.out.println("caught");
        }
    }
}
"""

collected = pytest.mark.parametrize("runtime", ["dotnet", "java", "node", "python"], indirect=True)
in_java = pytest.mark.parametrize("runtime", ["java"], indirect=True)


@collected
@pytest.mark.parametrize("mib", [128, 256, 512])
def test_two_thirds_of_the_memory_may_be_living_data(start: Start, mib: int) -> None:
    result = start("living", stdin=f"{mib * 2 // 3} {2 * mib}", memory=f"{mib}m", timeout=60)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "done\n")


@collected
def test_more_living_data_than_memory_is_out_of_memory(start: Start) -> None:
    result = start("living", stdin="128 256", memory="128m", timeout=60)
    assert (result.status, result.stdout) == (Status.OUT_OF_MEMORY, "")


@pytest.mark.parametrize("runtime", ["cpp", "dotnet", "java", "node", "python"], indirect=True)
def test_one_array_that_is_larger_than_the_memory_is_out_of_memory(start: Start) -> None:
    assert start("huge", memory="128m", timeout=60).status is Status.OUT_OF_MEMORY


@in_java
def test_a_program_may_catch_that_its_heap_is_full(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run(None, runtime, files={"Main.java": CATCHES})
    assert (result.status, result.stdout, result.stderr) == (Status.SUCCEEDED, "caught\n", "")


def by_command(sandbox: Sandbox, program: Program, options: str, sizes: str, memory: str) -> Result:
    """What becomes of the program `living` by a command of the job's own, with these options of Java."""
    command = f"javac Main.java && java {options} Main"
    files = program("java", "living")
    return sandbox.run(command, "java", files=files, stdin=sizes, memory=memory, timeout=60)


@in_java
@pytest.mark.every_engine
@pytest.mark.parametrize(("options", "mib"), [("", 128), ("", 256), ("-XX:+UseG1GC", 512)])
def test_a_command_of_the_jobs_own_gets_the_same_heap(
    sandbox: Sandbox, program: Program, runtime: str, options: str, mib: int
) -> None:
    result = by_command(sandbox, program, options, f"{mib * 2 // 3} {2 * mib}", f"{mib}m")
    assert (result.status, result.stdout, result.stderr) == (Status.SUCCEEDED, "done\n", "")


@in_java
@pytest.mark.every_engine
@pytest.mark.parametrize("options", ["", "-XX:+UseG1GC"])
def test_a_command_that_needs_more_than_the_heap_is_out_of_memory(
    sandbox: Sandbox, program: Program, runtime: str, options: str
) -> None:
    result = by_command(sandbox, program, options, "256 512", "256m")
    assert (result.status, result.stdout) == (Status.OUT_OF_MEMORY, "")


@in_java
def test_a_size_of_the_commands_own_counts(sandbox: Sandbox, program: Program, runtime: str) -> None:
    result = by_command(sandbox, program, "-Xmx32m", "64 128", "256m")
    assert (result.status, result.stdout) == (Status.OUT_OF_MEMORY, "")
    assert result.memory_peak is not None
    assert result.memory_peak < 200 * 2**20


@in_java
def test_a_command_of_the_jobs_own_may_catch_that_its_heap_is_full(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run("java Main.java; exit 1", "java", files={"Main.java": CATCHES})
    assert (result.status, result.stdout, result.stderr) == (Status.OUT_OF_MEMORY, "caught\n", "")


@in_java
def test_the_jvm_says_what_a_command_asks_it_for(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run("java -XX:+PrintFlagsFinal -version | grep -w MaxHeapSize", "java", memory="256m")
    assert str(192 * 2**20) in result.stdout


@pytest.mark.parametrize("runtime", ["node"], indirect=True)
def test_a_jobs_own_node_options_leave_the_heap_as_it_is(start: Start) -> None:
    result = start("living", stdin="170 512", memory="256m", env={"NODE_OPTIONS": "--no-warnings"})
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "done\n")


def test_a_typed_array_of_node_that_is_larger_than_the_memory_is_out_of_memory(sandbox: Sandbox) -> None:
    result = sandbox.run(None, "node", files={"main.js": "new Float64Array(2 ** 33 - 1).fill(1)\n"})
    assert result.status is Status.OUT_OF_MEMORY


def test_a_forged_report_of_a_full_heap_makes_no_result_better(sandbox: Sandbox) -> None:
    assert sandbox.run("touch /tmp/.heap-report; exit 3").status is Status.OUT_OF_MEMORY
    assert sandbox.run("touch /tmp/.heap-report").status is Status.SUCCEEDED
