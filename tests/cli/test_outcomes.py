"""What `submit` and `result` print for a stored state, and their exit codes."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

import pytest
import redis
import typer

from cli.main import main
from cli.remote import _on_from_here, _value
from sandbox import InvalidJob
from tasks.results.reader import Failure, Stored
from tests.programs import run_cli


def failed(name: str, *args: Any, state: str = "FAILURE") -> Stored:
    return Stored(state, failure=Failure(name, list(args)))


def test_a_success_is_its_result_and_a_failed_command_carries_its_own() -> None:
    assert _value(Stored("SUCCESS", {"status": "succeeded"})) == {"status": "succeeded"}
    assert _value(failed("CommandFailed", "it failed", {"status": "failed"})) == {"status": "failed"}


def test_a_refusal_is_raised_with_the_workers_sentence() -> None:
    with pytest.raises(InvalidJob, match=r"^memory: too much$"):
        _value(failed("InvalidJob", "memory: too much"))


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (failed("SandboxUnavailable", "no engine"), "SandboxUnavailable: no engine"),
        (failed("WorkerLostError"), "WorkerLostError"),
        (failed("CommandFailed", "only words"), "CommandFailed: only words"),
        (failed("X" * 101, "m" * 1001), f"{'X' * 100}…: {'m' * 1000}…"),
    ],
    ids=["unavailable", "lost", "half", "long"],
)
def test_without_a_result_it_is_said_what_became_of_the_job(
    capsys: pytest.CaptureFixture[str], stored: Stored, said: str
) -> None:
    with pytest.raises(typer.Exit) as leaving:
        _value(stored)
    assert leaving.value.exit_code == 125
    assert capsys.readouterr().err == f"cellblock: the job failed in the worker: {said}\n"


def test_a_job_that_was_revoked_is_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as leaving:
        _value(failed("TaskRevokedError", "revoked", state="REVOKED"))
    assert leaving.value.exit_code == 137
    assert capsys.readouterr().err == "cellblock: cancelled: the job was revoked before it started\n"


def test_how_to_go_on_depends_on_whether_there_is_live_output() -> None:
    assert _on_from_here("7", live=True) == "cellblock logs -f 7, or cellblock cancel 7"
    assert _on_from_here("7", live=False) == "cellblock result --wait 7, or cellblock cancel 7"


def leaves(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cellblock", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


@pytest.mark.parametrize(
    ("variable", "value", "code", "said"),
    [
        ("CELLBLOCK_PIDS", "0", 2, "CELLBLOCK_PIDS='0'"),
        ("CELLBLOCK_DOCKER_HOST", "unix:///nonexistent/docker.sock", 125, "No container engine answers"),
    ],
)
def test_a_bad_setting_is_2_and_a_missing_engine_125(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert leaves(monkeypatch, "reap") == code
    assert capsys.readouterr().err.startswith(f"cellblock: {said}")


def test_a_wrong_option_of_flowers_own_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leaves(monkeypatch, "cancel", "--nope") == 2
    assert "No such option" in capsys.readouterr().err


def test_what_the_operator_has_set_for_flower_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.worker.require_broker", lambda _: None)
    monkeypatch.setenv("CELLBLOCK_FLOWER_BASIC_AUTH", "a:secret")
    monkeypatch.setenv("FLOWER_MAX_TASKS", "5")
    leaves(monkeypatch, "flower", "--port", "5555")
    assert (os.environ["FLOWER_MAX_TASKS"], bool(capsys.readouterr().err)) == ("5", True)


def test_an_option_of_flower_without_its_value_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.worker.require_broker", lambda _: None)
    monkeypatch.setenv("CELLBLOCK_FLOWER_BASIC_AUTH", "a:secret")
    assert leaves(monkeypatch, "flower", "--port", "5555") == 2
    assert "Option 'port' requires a value. Try: an option with =" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",), ("images",)], ids=str)
def test_help_lists_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    leaves(monkeypatch, *arguments)
    shown = "".join(capsys.readouterr())
    every = [
        "run",
        "submit",
        "result",
        "cancel",
        "logs",
        "ps",
        "worker",
        "flower",
        "doctor",
        "reap",
        "health",
        "guard",
        "images",
    ]
    named = ["ls", "pull", "build"] if "images" in arguments else every
    assert [name for name in named if f"  {name} " not in shown] == []


def test_the_guard_listens_on_this_host_alone_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leaves(monkeypatch, "guard", "--help") == 0
    assert "[default: tcp://127.0.0.1:2375]" in " ".join(capsys.readouterr().out.split())


def test_what_redis_refuses_on_the_way_is_one_sentence_and_125(redis_url: str, broker_url: str) -> None:
    name = f"user{secrets.token_hex(4)}"
    with redis.Redis.from_url(redis_url) as server:
        server.acl_setuser(
            name, enabled=True, passwords=["+word"], keys=["*"], channels=["*"], commands=["+@all", "-get"]
        )
        url = broker_url.replace("://", f"://{name}:word@")
        outcome = run_cli("result", "any", CELLBLOCK_BROKER_URL=url)
        server.acl_deluser(name)
    assert (outcome.returncode, outcome.stdout, outcome.stderr.count("\n")) == (125, "", 1)
    assert "does not permit this user what cellblock needs" in outcome.stderr
