"""What the command says about a result, and what it saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.answer import read_answer
from cli.exit_codes import ExitCode
from cli.finish import finish
from tests.cli.test_answer import GOOD

if TYPE_CHECKING:
    from pathlib import Path


SPENT = "timed out: used up its processor time"
ABC: dict[str, Any] = {"size": 3, "base64": "YWJj"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives the folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finished(
    capsysbinary: pytest.CaptureFixture[bytes], live: bool = False, **changes: Any
) -> tuple[int, str, str]:
    """The exit code, and the text on both outputs."""
    with pytest.raises(typer.Exit) as leaving:
        finish(read_answer(GOOD | {"stdout": "", "stdout_bytes": 0} | changes), shown_live=live)
    out, err = capsysbinary.readouterr()
    return leaving.value.exit_code, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({}, 0, ""),
        ({"status": "failed", "exit_code": 3}, 3, ""),
        ({"status": "timed_out", "exit_code": 143}, 124, "timed out"),
        ({"status": "timed_out", "exit_code": 1, "limit": "cpu_time"}, 124, SPENT),
        ({"status": "out_of_memory", "exit_code": 137}, 137, "killed: out of memory"),
        ({"status": "output_limit", "exit_code": 137}, 137, "stopped: wrote too much"),
        ({"status": "cancelled", "exit_code": None}, 137, "cancelled"),
        ({"status": "signaled", "exit_code": 139, "signal": "SIGSEGV"}, 139, "ended by SIGSEGV"),
        ({"engine": "host"}, 0, "ran on this host with no isolation (ENABLE_DOCKER=false)"),
        ({"engine": "docker"}, 0, ""),
    ],
)  # fmt: skip
def test_what_a_code_alone_does_not_tell_is_said(
    capsysbinary: pytest.CaptureFixture[bytes], changes: dict[str, Any], code: int, said: str
) -> None:
    line = f"cellblock: {said}\n" if said else ""
    assert finished(capsysbinary, **changes) == (code, "", line)
    assert finished(capsysbinary, live=True, **changes) == (code, "", line)


def test_both_streams_are_shown_unless_they_were_already(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    both: dict[str, Any] = {"stdout": "out", "stdout_bytes": 3, "stderr": "err", "stderr_bytes": 3}
    assert finished(capsysbinary, **both) == (0, "out", "err")
    assert finished(capsysbinary, live=True, **both) == (0, "", "")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("text", "size", "is_cut", "remarks"),
    [
        ("a", 1, False, []),
        ("a", 3 << 20, True, ["is cut: kept the first and last of 3 MiB"]),
        ("\ufffd", 3, False, []),
        ("\ufffd", 1, False, ["holds bytes that are no text"]),
        ("\ufffd", 3, True, ["is cut: kept the first and last of 3 B", "holds bytes that are no text"]),
    ],
)
def test_what_is_missing_of_a_stream_is_said(
    capsysbinary: pytest.CaptureFixture[bytes],
    name: str,
    text: str,
    size: int,
    is_cut: bool,
    remarks: list[str],
) -> None:
    changes: dict[str, Any] = {name: text, f"{name}_bytes": size, f"{name}_truncated": is_cut}
    said = finished(capsysbinary, **changes)[2].removeprefix(text).splitlines()
    assert [
        line.startswith(f"cellblock: {name} {remark}") for line, remark in zip(said, remarks, strict=True)
    ] == [True] * len(remarks)
    assert finished(capsysbinary, live=True, **changes)[2] == ""


def test_artifacts_are_saved_and_what_stayed_behind_is_named(
    folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, _, said = finished(
        capsysbinary,
        artifacts={"d/a": ABC},
        artifacts_skipped=[{"path": "big", "reason": "larger than 1 MiB"}],
    )
    assert (folder / "d" / "a").read_bytes() == b"abc"
    assert said == "cellblock: saved d/a (3 B)\ncellblock: left big: larger than 1 MiB\n"


@pytest.mark.parametrize(
    ("path", "artifact", "said"),
    [
        ("there", ABC, "could not save there: File exists"),
        ("../a", ABC, "did not save ../a: the name leads out of this folder, or names no file"),
        ("a", ABC | {"size": 2}, "could not save a: its content is not of the size that is given"),
        ("a", ABC | {"size": 4}, "could not save a: its content is not of the size that is given"),
        ("a", ABC | {"base64": "?"}, "could not save a: its content is damaged"),
    ],
)
def test_an_artifact_that_cannot_be_saved_is_said_and_the_next_one_is_saved(
    folder: Path, capsysbinary: pytest.CaptureFixture[bytes], path: str, artifact: dict[str, Any], said: str
) -> None:
    (folder / "there").write_text("mine")
    both = {path: artifact, "next": {"size": 1, "base64": "eA=="}}
    assert finished(capsysbinary, artifacts=both)[2] == f"cellblock: {said}\ncellblock: saved next (1 B)\n"
    assert sorted(one.name for one in folder.iterdir()) == ["next", "there"]
    assert (folder / "there").read_text() == "mine"


def test_a_long_name_is_cut_where_it_is_shown(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    skipped = [{"path": "p" * 301, "reason": "r" * 301}, {"path": "p" * 300, "reason": "r" * 300}]
    _, _, said = finished(capsysbinary, artifacts_skipped=skipped)
    assert said.splitlines() == [
        f"cellblock: left {'p' * 300}…: {'r' * 300}…",
        f"cellblock: left {'p' * 300}: {'r' * 300}",
    ]


def test_files_that_are_left_without_a_name_are_counted(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert finished(capsysbinary, artifacts_unnamed=7)[2] == "cellblock: left 7 more\n"


def test_the_exit_codes_are_those_of_docker_run_and_timeout() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "WRONG_ANSWER": 1,
        "USAGE": 2,
        "TIMED_OUT": 124,
        "SANDBOX_FAILED": 125,
        "INTERRUPTED": 130,
        "KILLED": 137,
    }
