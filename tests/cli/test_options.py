"""The requests that the options of `run` and `submit` make."""

from __future__ import annotations

import io
import sys
from ast import literal_eval
from base64 import b64encode
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.options import _runtimes_from, check_id, takes_a_job

if TYPE_CHECKING:
    from pathlib import Path


def call(*arguments: str) -> Result:
    app = typer.Typer()

    @app.command()
    @takes_a_job
    def command(request: dict[str, Any], loud: bool = False) -> None:
        """Print the request and the command's own option."""
        typer.echo(repr((request, loud)))

    return CliRunner().invoke(app, arguments)


def asked(*arguments: str) -> dict[str, Any]:
    """The request for these arguments."""
    outcome = call(*arguments)
    assert outcome.exit_code == 0, outcome.output
    request: dict[str, Any] = literal_eval(outcome.output)[0]
    return request


def content(text: str) -> dict[str, str]:
    return {"base64": b64encode(text.encode()).decode()}


def test_a_file_whose_name_looks_like_a_ref_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "@here").write_text("it")
    ref = f"sha256:{'0' * 64}"
    files = asked("--file=a=@here", f"--file=b=@{ref}", "--", "true")["files"]
    assert files == {"a": content("it"), "b": {"ref": ref}}


def test_every_option_becomes_the_argument_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("in")
    (tmp_path / "runs.json").write_text('[{"stdin": "1"}]')
    options = ["--runtime=bash", "--timeout=1.5", "--grace=0", "--memory=64m", "--cpus=0.5", "--pids=9"]
    options += ["--disk=1m", "--output-limit=2m", "--stdin=in", "--env=A=b=c", "--env=D=", "--file=f=in"]
    options += ["--cpu-time=2.5", "--stack=4m", "--runs=runs.json", "--compare=tokens", "--stop-on-failure"]
    options += ["--artifact=*.txt", "--artifact=b", "--network=a.com", "--network=b.com"]
    assert asked(*options, "--", "true") == {
        "cmd": "true",
        "runtime": "bash",
        "timeout": 1.5,
        "grace": 0.0,
        "cpu_time": 2.5,
        "stack": "4m",
        "runs": [{"stdin": "1"}],
        "compare": "tokens",
        "stop_on_failure": True,
        "memory": "64m",
        "cpus": 0.5,
        "pids": 9,
        "disk": "1m",
        "output_limit": "2m",
        "stdin": content("in"),
        "env": {"A": "b=c", "D": ""},
        "files": {"f": content("in")},
        "artifacts": ["*.txt", "b"],
        "network": ["a.com", "b.com"],
    }


def test_what_is_not_given_is_left_to_the_defaults() -> None:
    assert asked("--", "true") == {"cmd": "true"}


@pytest.mark.parametrize(
    ("words", "cmd"), [(["echo hi"], "echo hi"), (["echo", "hi"], ["echo", "hi"]), ([""], "")]
)
def test_one_word_is_for_the_shell_and_several_are_an_argument_list(words: list[str], cmd: object) -> None:
    assert asked("--", *words)["cmd"] == cmd


@pytest.mark.parametrize(
    ("hosts", "network"), [(["all"], True), (["all", "a.com"], ["all", "a.com"]), (["a.com"], ["a.com"])]
)
def test_all_is_any_host_if_it_stands_alone(hosts: list[str], network: object) -> None:
    assert asked(*(f"--network={host}" for host in hosts), "--", "true")["network"] == network


def test_a_file_is_called_as_its_source_is_and_an_absolute_one_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a=b.py").write_text("x")
    (tmp_path / "d" / "c.py").write_text("y")
    request = asked("--file=d/c.py", f"--file=e={tmp_path}/d/a=b.py")
    assert request == {"cmd": None, "files": {"d/c.py": content("y"), "e": content("x")}}
    assert list(asked(f"--file={tmp_path}/d/c.py")["files"]) == ["c.py"]


def test_a_dash_is_our_own_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"piped")))
    from cli.options import _request_of

    assert _request_of(["cat"], stdin="-")["stdin"] == content("piped")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a command after --, or files to run with --file"),
        (["--env=A", "--", "true"], "'A' is not of the form K=V"),
        (["--stdin=/no/such", "--", "true"], "/no/such: No such file or directory"),
    ],
)
def test_what_makes_no_request_is_a_wrong_call(arguments: list[str], words: str) -> None:
    outcome = call(*arguments)
    assert (outcome.exit_code, words in " ".join(outcome.output.replace("│", "").split())) == (2, True)


def test_a_command_keeps_its_own_options() -> None:
    assert call("--loud", "--", "true").output.endswith("True)\n")


@pytest.mark.parametrize(
    ("task_id", "is_one"),
    [
        ("a", True),
        ("x" * 1024, True),
        ("é" * 512, True),
        ("x" * 1025, False),
        ("é" * 513, False),
        ("\t", False),
        ("\ud800", False),
    ],
    ids=["short", "longest", "longest in bytes", "too long", "too long in bytes", "blank", "no text"],
)
def test_an_id_is_text_of_up_to_a_thousand_bytes(task_id: str, is_one: bool) -> None:
    if is_one:
        assert check_id(task_id) == task_id
        return
    with pytest.raises(typer.BadParameter):
        check_id(task_id)


@pytest.mark.parametrize(
    ("begun", "offered"), [("", ["node", "python", "cpp", "java", "dotnet", "bash"]), ("py", ["python"])]
)
def test_a_shell_offers_the_runtimes(begun: str, offered: list[str]) -> None:
    assert _runtimes_from(begun) == offered


def test_a_shell_offers_no_runtimes_where_a_setting_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_CONCURRENCY", "0")
    assert _runtimes_from("") == []
