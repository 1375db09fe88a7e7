"""Malicious requests: commands, standard input, environments and file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import InvalidJob, Status

if TYPE_CHECKING:
    from sandbox import Sandbox

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("cmd", ["", " ", "\n\n", "\t", "# nothing", ":"], ids=repr)
def test_a_command_that_says_nothing_succeeds_at_nothing(sandbox: Sandbox, cmd: str) -> None:
    result = sandbox.run(cmd)
    assert (result.status, result.stdout, result.stderr) == (Status.SUCCEEDED, "", "")


@pytest.mark.parametrize(
    "cmd",
    [
        pytest.param([], id="no argument"),
        pytest.param("echo \0", id="NUL in text"),
        pytest.param(["echo", "a\0b"], id="NUL in an argument"),
        pytest.param("echo \ud800", id="a lone surrogate"),
        pytest.param(["echo", 1], id="a number"),
        pytest.param({"argv": "x"}, id="an object"),
        pytest.param("x" * (1 << 20), id="a mebibyte of text"),
        pytest.param(["echo", "x" * (1 << 20)], id="a mebibyte of argument"),
        pytest.param(["echo", *["x" * 1000] * 2000], id="two megabytes of arguments"),
    ],
)
def test_a_command_that_no_cell_can_start_is_refused(sandbox: Sandbox, cmd: list[str]) -> None:
    with pytest.raises(InvalidJob):
        sandbox.run(cmd)


def test_the_largest_argument_arrives_whole(sandbox: Sandbox) -> None:
    assert sandbox.run(["expr", "length", "x" * 131_071], timeout=20).stdout == "131071\n"


@pytest.mark.parametrize(
    "cmd",
    [
        pytest.param(["echo", "'; exit 9; '"], id="quotes"),
        pytest.param(["echo", "$(exit 9)`exit 9`"], id="substitutions"),
        pytest.param(["echo", "a\nready=1\nset -- true"], id="lines like orders"),
        pytest.param(["echo", "-n", "--", "\\0"], id="options"),
        pytest.param(["printf", "%s", "\x01\x7f\x1b"], id="control characters"),
        pytest.param(["echo", "é" * 3000], id="text beyond one line of orders"),
    ],
)
def test_no_argument_speaks_to_the_supervisor(sandbox: Sandbox, cmd: list[str]) -> None:
    result = sandbox.run(cmd)
    assert (result.status, result.stdout.endswith(cmd[-1]) or result.stdout.endswith(f"{cmd[-1]}\n")) == (
        Status.SUCCEEDED,
        True,
    )


def test_a_megabyte_on_stdin_that_nobody_reads_hinders_nothing(sandbox: Sandbox) -> None:
    result = sandbox.run("exec <&-; echo done", stdin="x" * 1_000_000, timeout=20)
    assert (result.stdout, result.duration < 10) == ("done\n", True)


@pytest.mark.parametrize("stdin", ["term\n", "kill\n", "\0 end 0 0 0 0\n", "ready=1\n"], ids=repr)
def test_standard_input_gives_no_orders(sandbox: Sandbox, stdin: str) -> None:
    assert sandbox.run("cat", stdin=stdin).stdout == stdin


@pytest.mark.parametrize(
    "name",
    [
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "BASH_ENV", "ENV", "IFS", "PS4"),
        *(
            "PYTHONSTARTUP",
            "PYTHONPATH",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "HOSTNAME",
            "HOME",
            "SHELLOPTS",
        ),
    ],
)
def test_a_variable_reaches_the_job_and_not_its_supervisor(sandbox: Sandbox, name: str) -> None:
    value = "/workspace/hostile"
    result = sandbox.run(["cat", "/proc/self/environ", "/proc/1/environ"], env={name: value})
    assert result.stdout.count(f"{name}={value}") == 1


def test_a_path_of_its_own_is_the_jobs_affair(sandbox: Sandbox) -> None:
    trap = {"env": "#!/bin/sh\necho trapped\n", "kill": "#!/bin/sh\necho trapped\n"}
    result = sandbox.run("echo ran", env={"PATH": "/workspace:/bin:/usr/bin"}, files=trap)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "ran\n")


@pytest.mark.parametrize("name", ["A=B", "", "A\0B", "1A", "A B", "A-B", "A\n", "é", "x" * 300], ids=repr)
def test_a_variable_that_is_no_name_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(InvalidJob):
        sandbox.run("true", env={name: "x"})


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "a/../../x", "/etc/passwd", "//etc/x", "", ".", "./", "a/", "..", "a\0b", "\ud800"),
        *("x" * 256, "a/" * 40 + "b", "d/" * 600 + "x"),
    ],
    ids=lambda path: repr(path[:12]),
)
def test_a_file_outside_the_workspace_is_refused(sandbox: Sandbox, path: str) -> None:
    with pytest.raises(InvalidJob):
        sandbox.run("true", files={path: "x"})


@pytest.mark.parametrize(
    "name",
    [
        *("-rf", "--checkpoint-action=exec=sh", "$(touch trapped)", "`id`", "a\nb", " ", "'", '"', "*", "\\"),
        *("\x1b[2J", "é€😀", "con:aux", "~", "!", "...", "x" * 255, "tar;id", ".voice", "\u202etxt"),
    ],
    ids=repr,
)
def test_a_hostile_name_is_a_name(sandbox: Sandbox, name: str) -> None:
    result = sandbox.run(["cat", f"./{name}"], files={name: "whole"}, artifacts=["**"])
    assert (result.stdout, list(result.artifacts)) == ("whole", [name])


def test_more_files_than_the_disk_has_inodes_is_an_invalid_job(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidJob):
        sandbox.run("true", files={f"{n}": "" for n in range(3000)}, disk="1m", timeout=20)


def test_more_input_than_the_disk_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidJob, match="disk"):
        sandbox.run("true", files={"x": "x" * 2_000_000}, disk="1m")


@pytest.mark.parametrize("glob", ["/etc/*", "../*", "a/../../*", "", "a\0", "/"], ids=repr)
def test_a_pattern_outside_the_workspace_is_refused(sandbox: Sandbox, glob: str) -> None:
    with pytest.raises(InvalidJob):
        sandbox.run("true", artifacts=[glob])
