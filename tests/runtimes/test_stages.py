"""Compile and run are two stages, each in its own cell with its own limits."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import InvalidJob, Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.runtimes.conftest import Program, Start

pytestmark = pytest.mark.engine

#: The file includes itself twice, 60 levels deep, so the compiler practically never ends.
ENDLESS = "#if __INCLUDE_LEVEL__ < 60\n#include __FILE__\n#include __FILE__\n#endif\n"
#: It needs one type for each path through a tree, which takes much memory.
GREEDY = """
template <int depth, int path> struct Tree { Tree<depth - 1, 2 * path> a; Tree<depth - 1, 2 * path + 1> b; };
template <int path> struct Tree<0, path> {};
Tree<24, 0> tree;
"""
ECHO = "#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c); }\n"

compiled = pytest.mark.parametrize("runtime", ["cpp", "java"], indirect=True)


@pytest.fixture
def sparing(engine: docker.APIClient, tmp_path: Path) -> Iterator[Callable[[str], Sandbox]]:
    """Gives a function that makes a sandbox with low limits for the compiler."""
    with ExitStack() as stack:

        def made(limits: str) -> Sandbox:
            catalogue = tmp_path / "runtimes.toml"
            catalogue.write_text(f"[cpp.compile_limits]\n{limits}\n")
            return stack.enter_context(Sandbox(load_settings(pull="never", runtimes=catalogue)))

        yield made


@compiled
def test_the_time_of_both_stages_is_told_apart(start: Start) -> None:
    result = start("hello")
    timings = result.timings
    parts = (timings.queued, timings.acquire, timings.run, timings.collect)
    assert timings.run > (result.compile_seconds or 0) > 0
    assert timings.total == pytest.approx(sum(parts), abs=1e-5)


@pytest.mark.parametrize("runtime", ["python"], indirect=True)
def test_what_needs_no_compiler_spends_no_time_on_it(start: Start) -> None:
    assert start("hello").compile_seconds is None


@compiled
def test_a_failed_compilation_is_the_end_with_nothing_run(start: Start) -> None:
    result = start("broken", artifacts=["**"])
    assert (result.status, result.exit_code, result.stage, result.stdout) == ("failed", 1, "compile", "")
    assert (result.artifacts, result.artifacts_skipped) == ({}, [])
    assert result.timings.total >= (result.compile_seconds or 0) > 0


def test_a_compiler_that_never_ends_is_stopped_by_its_own_limit(
    sparing: Callable[[str], Sandbox],
) -> None:
    strict = sparing('timeout = 0.8\ngrace = 0.1\nmemory = "1g"')
    result = strict.run(None, files={"main.c": ENDLESS}, timeout=60)
    assert (result.status, result.stage, result.duration < 10) == (Status.TIMED_OUT, "compile", True)


def test_a_compiler_that_eats_memory_is_stopped_by_its_own_limit(
    sparing: Callable[[str], Sandbox],
) -> None:
    result = sparing('memory = "96m"').run(None, files={"main.cpp": GREEDY}, memory="512m")
    assert (result.status, result.stage) == (Status.OUT_OF_MEMORY, "compile")


def test_a_program_may_have_less_than_its_compiler(sandbox: Sandbox) -> None:
    result = sandbox.run(None, files={"main.c": ECHO}, stdin="é", memory="16m", timeout=1, pids=4)
    assert (result.stdout, result.stage) == ("é", "run")


def test_stdin_and_artifacts_are_the_runs_alone(sandbox: Sandbox) -> None:
    makefile = "all:\n\t@cat > compiled\nrun:\n\t@cat > ran\n"
    result = sandbox.run(None, files={"Makefile": makefile}, stdin="x", artifacts=["compiled", "ran"])
    assert {path: found.size for path, found in result.artifacts.items()} == {"compiled": 0, "ran": 1}


def test_what_the_compiler_says_of_a_good_program_is_not_the_programs(sandbox: Sandbox) -> None:
    result = sandbox.run(None, files={"main.c": "#warning careful\n" + ECHO})
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")
    assert "#warning careful" in result.compile_output


def test_a_compilation_that_makes_nothing_fails_in_the_run(sandbox: Sandbox) -> None:
    result = sandbox.run(None, files={"Makefile": "all:\nrun:\n\t@./program\n"})
    assert (result.status, result.stage) == (Status.FAILED, "run")


#: A compiler that leaves everything that a file system can hold, and a program that shows it.
LEAVES = """all:
\t@mkdir -p empty locked/deep; echo x > a; chmod 640 a; ln a hard; ln -s a soft; ln -s nowhere broken
\t@chmod 555 locked; touch "$$(printf 'caf\\351 \\001')"; mkfifo pipe; touch -d '2020-02-02 UTC' old
\t@for n in $$(seq 5000); do : > many$$n; done
run:
\t@"""
SEEN = (
    "find . -name 'many*' | wc -l; stat -c '%A %h %N' empty locked a soft broken pipe; ls | grep -c caf;"
    " test a -ef hard && echo same; stat -c %y old; find . -name deep | wc -l"
)


@pytest.mark.every_engine
@pytest.mark.parametrize("runtime", ["cpp"], indirect=True)
def test_everything_that_a_file_system_holds_goes_on_to_the_run(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run(None, runtime, files={"Makefile": f"{LEAVES}{SEEN}\n"})
    assert (result.stderr, result.stdout.splitlines()) == (
        "",
        [
            "5000",
            "drwxr-xr-x 2 'empty'",
            "dr-xr-xr-x 3 'locked'",
            "-rw-r----- 2 'a'",
            "lrwxrwxrwx 1 'soft' -> 'a'",
            "lrwxrwxrwx 1 'broken' -> 'nowhere'",
            "prw-r--r-- 1 'pipe'",
            "1",
            "same",
            "2020-02-02 00:00:00.000000000 +0000",
            "1",
        ],
    )


def test_a_program_that_is_larger_than_its_memory_is_out_of_memory(sandbox: Sandbox) -> None:
    large = "int a[6000000] = {1};\nint main() { return a[1]; }\n"
    result = sandbox.run(None, files={"main.c": large}, memory="16m")
    assert (result.status, result.stage) == (Status.OUT_OF_MEMORY, "run")


def test_more_than_the_job_has_room_for_is_refused_with_what_to_ask_for(sandbox: Sandbox) -> None:
    makefile = "all:\n\t@head -c 2000000 /dev/zero > big\nrun:\n\t@ls\n"
    with pytest.raises(InvalidJob, match=r"the compiler left takes .* more than the job's disk=1 MiB"):
        sandbox.run(None, files={"Makefile": makefile}, disk="1m")


@pytest.mark.parametrize(
    ("runtime", "case", "cmd"),
    [
        ("bash", "hello", "bash main.sh"),
        ("cpp", "hello", "g++ -o hello main.cpp && exec ./hello"),
        ("dotnet", "hello", ["dotnet", "main.dll"]),
        ("java", "hello", ["java", "Main.java"]),
        ("node", "hello", ["node", "main.js"]),
        ("python", "hello", ["python", "-X", "utf8", "main.py"]),
    ],
    indirect=["runtime"],
)
def test_a_command_of_ones_own_starts_a_program_too(
    sandbox: Sandbox, program: Program, runtime: str, case: str, cmd: str | list[str]
) -> None:
    result = sandbox.run(cmd, runtime, files=program(runtime, case))
    assert (result.stdout, result.stderr, result.compile_seconds) == ("hello\n", "", None)


CSHARP = """
class Program {
    static void Main() { int unused = 1; System.Console.WriteLine(Words.Greeting); }
}
"""


@pytest.mark.parametrize("runtime", ["dotnet"], indirect=True)
def test_csharp_is_compiled_from_all_of_its_files(sandbox: Sandbox, runtime: str) -> None:
    words = 'static class Words { public const string Greeting = "héllo"; }'
    result = sandbox.run(None, files={"Program.cs": CSHARP, "lib/Words.cs": words})
    assert (result.runtime, result.stdout, result.stderr) == (runtime, "héllo\n", "")
    assert "CS0219" in result.compile_output


@pytest.mark.parametrize("runtime", ["dotnet"], indirect=True)
def test_wrong_csharp_fails_with_the_compilers_words(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run(None, runtime, files={"main.cs": 'class A { static void Main() { int x = ""; } }'})
    assert (result.status, result.stage, "CS0029" in result.stderr) == (Status.FAILED, "compile", True)


MAKE = "program: main.c\n\tgcc -o program main.c\n"


@pytest.mark.parametrize("runtime", ["cpp"], indirect=True)
def test_a_makefile_needs_no_target_that_runs(sandbox: Sandbox, runtime: str) -> None:
    result = sandbox.run(None, runtime, files={"Makefile": MAKE, "main.c": ECHO}, stdin="made")
    assert (result.stdout, result.stderr) == ("made", "")


@pytest.mark.parametrize("runtime", ["java"], indirect=True)
def test_a_java_file_may_have_any_name(sandbox: Sandbox, runtime: str) -> None:
    hello = "package a; public class Hello { public static void main(String[] x) { System.out.print(1); } }"
    result = sandbox.run(None, runtime, files={"code.java": hello})
    assert (result.stdout, result.stderr) == ("1", "")


@pytest.mark.parametrize("runtime", ["java"], indirect=True)
def test_a_jar_is_run_as_it_is(sandbox: Sandbox, program: Program, runtime: str) -> None:
    make = "javac -d . Main.java && jar cfe app.jar Main Main.class"
    made = sandbox.run(make, runtime, files=program(runtime, "hello"), artifacts=["app.jar"])
    result = sandbox.run(None, files={"app.jar": {"base64": made.artifacts["app.jar"].base64}})
    assert (result.runtime, result.stdout, result.stderr) == ("java", "hello\n", "")
