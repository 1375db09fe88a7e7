"""How the command line handles results, streams and messages that no worker has written."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.cli.terminal import on_a_terminal
from tests.programs import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

ATTACK = "\x1b]0;owned\x07\x9b31m\u202e\x7f\r\ncellblock: saved /etc/passwd (1 B)\n"
JOB = "3b9f"


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def forge(server: redis.Redis) -> Callable[[object], None]:
    """Gives a function that stores a result, as anybody with access to Redis could."""

    def store(meta: object) -> None:
        payload = meta if isinstance(meta, bytes) else json.dumps(meta)
        server.set(f"celery-task-meta-{JOB}", payload, ex=600)

    return store


def answer(**changes: Any) -> dict[str, Any]:
    """A result in Celery's form with the state SUCCESS, in which `changes` replaces some keys."""
    result = {
        "status": "succeeded", "exit_code": 0, "signal": None, "stdout": "", "stderr": "", "stdout_bytes": 0,
        "stderr_bytes": 0, "stdout_truncated": False, "stderr_truncated": False, "engine": "docker",
        "artifacts": {}, "artifacts_skipped": [],
    }  # fmt: skip
    return {"status": "SUCCESS", "task_id": JOB, "result": result | changes}


def artifact(content: bytes = b"x") -> dict[str, Any]:
    return {"size": len(content), "base64": base64.b64encode(content).decode()}


def shown(tmp_path: Path, broker_url: str, *options: str) -> CompletedProcess[str]:
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return run_cli("result", *options, JOB, cwd=folder, CELLBLOCK_BROKER_URL=broker_url)


@pytest.mark.parametrize("name", ["../escape", "/tmp/cellblock-escape", "a/../../escape", "x\0y", "y" * 300])
def test_nothing_is_written_outside_of_the_folder(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None], name: str
) -> None:
    forge(answer(artifacts={name: artifact(), "good": artifact(b"good")}))
    outcome = shown(tmp_path, broker_url)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "good"]
    assert (outcome.returncode, "did not save " in outcome.stderr) == (0, True)


def test_nothing_that_is_there_is_overwritten_and_no_link_is_followed(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    (tmp_path / "folder" / "link").symlink_to(tmp_path)
    forge(answer(artifacts={"mine": artifact(b"theirs"), "link/escape": artifact()}))
    outcome = shown(tmp_path, broker_url)
    assert (tmp_path / "folder" / "mine").read_text() == "mine"
    assert not (tmp_path / "escape").exists()
    assert [line[:24] for line in outcome.stderr.splitlines()] == ["cellblock: could not sav"] * 2


def test_a_name_forges_no_line_and_moves_no_terminal(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None]
) -> None:
    skipped = [{"path": ATTACK, "reason": ATTACK}]
    forge(answer(artifacts={f"a{ATTACK[:20]}": artifact()}, artifacts_skipped=skipped))
    outcome = shown(tmp_path, broker_url)
    assert len(outcome.stderr.splitlines()) == 2
    assert outcome.stderr.replace("\n", "").isprintable()


def error(name: str, module: str, *arguments: object) -> dict[str, Any]:
    """A result in Celery's form with the state FAILURE."""
    about = {"exc_type": name, "exc_module": module, "exc_message": arguments}
    return {"status": "FAILURE", "task_id": JOB, "result": about}


@pytest.mark.parametrize(
    ("what", "meta"),
    [
        ("no JSON", b"\xff"),
        ("too deep", b"[" * 100_000),
        ("no result", {"status": "SUCCESS"}),
        ("a wrong type", answer(stdout=[ATTACK])),
        ("an exit of ours", error("SystemExit", "builtins", 0)),
        ("a function", error("system", "os", "touch x")),
        ("an attack", error(ATTACK, "m", ATTACK)),
        ("half a failure", error("CommandFailed", "sandbox.errors", "m", {"status": "x"})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("option", ["--json", "--wait"])
def test_what_is_no_result_is_said_in_one_line_with_exit_code_125(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None], what: str, meta: object, option: str
) -> None:
    forge(meta)
    outcome = shown(tmp_path, broker_url, option)
    assert (outcome.returncode, outcome.stdout, outcome.stderr.count("\n")) == (125, "", 1), what
    assert outcome.stderr.replace("\n", "").isprintable()
    assert list((tmp_path / "folder").iterdir()) == []


def test_an_artifact_that_is_not_what_it_says_is_not_saved(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None]
) -> None:
    forge(answer(artifacts={"a": {"size": 5, "base64": "eA=="}, "b": {"size": 1, "base64": "\x1b"}}))
    outcome = shown(tmp_path, broker_url)
    assert list((tmp_path / "folder").iterdir()) == []
    assert outcome.stderr.count("could not save") == 2


def test_a_refusal_of_a_worker_is_exit_2_and_shown_harmlessly(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None]
) -> None:
    error = {"exc_type": "InvalidJob", "exc_module": "sandbox.errors", "exc_message": [ATTACK]}
    forge({"status": "FAILURE", "result": error})
    outcome = shown(tmp_path, broker_url)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (2, 1)
    assert outcome.stderr.replace("\n", "").isprintable()


def test_outputs_are_harmless_on_a_terminal_and_as_they_are_in_a_pipe(
    tmp_path: Path, broker_url: str, forge: Callable[[object], None]
) -> None:
    size = len(ATTACK.encode())
    forge(answer(stdout=ATTACK, stdout_bytes=size))
    settings = {"CELLBLOCK_BROKER_URL": broker_url}
    _, seen = on_a_terminal("result", JOB, **settings)
    assert seen == "\\x1b]0;owned\\x07\\x9b31m\\u202e\\x7f\ncellblock: saved /etc/passwd (1 B)\n"
    assert "\x1b" not in on_a_terminal("result", "--json", JOB, **settings)[1]
    assert "\x1b]0;owned\x07" in on_a_terminal("result", "--raw", JOB, **settings)[1]
    assert shown(tmp_path, broker_url).stdout == ATTACK.replace("\r\n", "\n")


LIVE: dict[Any, Any] = {"kind": "stdout", "time": "1.0", "offset": "0", "data": "good\n"}


ENTRIES: list[dict[Any, Any]] = [
    {"kind": "start", "time": "1.0", "offset": "0", "data": ATTACK.encode() + b"\xff"},
    {"kind": "\x1b]0;x\x07", "time": "1.0", "offset": "0", "data": "x"},
    {"kind": b"\xff", "time": "1.0", "offset": "0", "data": "x"},
    {"time": "1.0"},
    LIVE | {"time": "soon"},
    LIVE | {"time": "1e300"},
    LIVE | {"time": "nan"},
    LIVE | {"offset": "-9"},
    LIVE | {"offset": "9" * 5000},
]


@pytest.mark.parametrize("option", ["-t", "--json", "-f"])
def test_an_entry_that_is_none_is_left_out_of_the_logs(
    broker_url: str, server: redis.Redis, option: str
) -> None:
    for fields in (*ENTRIES, LIVE, LIVE | {"kind": "end", "data": "succeeded"}):
        server.xadd(f"cellblock.live:{JOB}", fields)
    server.expire(f"cellblock.live:{JOB}", 600)
    outcome = run_cli("logs", option, JOB, CELLBLOCK_BROKER_URL=broker_url)
    assert (outcome.returncode, outcome.stdout.count("good"), "Traceback" in outcome.stderr) == (0, 1, False)
    assert (outcome.stdout + outcome.stderr).replace("\n", "").isprintable()


def test_a_character_that_never_ends_is_shown_at_the_end_of_the_logs(
    broker_url: str, server: redis.Redis
) -> None:
    server.xadd(f"cellblock.live:{JOB}", LIVE | {"data": b"a\xc3"})
    server.expire(f"cellblock.live:{JOB}", 600)
    assert on_a_terminal("logs", JOB, CELLBLOCK_BROKER_URL=broker_url) == (0, "a\ufffd")


def test_waiting_messages_of_any_kind_are_listed_harmlessly(broker_url: str, server: redis.Redis) -> None:
    about = {"content-type": "application/json", "content-encoding": "utf-8"}
    properties = {"body_encoding": "base64", "delivery_tag": "x", "delivery_info": {}}
    body = base64.b64encode(json.dumps([["true", "[/x]"], {}, {}]).encode()).decode()
    ids: list[object] = [ATTACK, {"a": 1}, None, "\ud800", ["x"], "[/x]", "good"]
    for one in ids:
        headers = {"id": one, "task": "cellblock.run_sandboxed", "cellblock_sent_at": time.time()}
        message = about | {"headers": headers, "body": body, "properties": properties}
        server.lpush("cellblock", json.dumps(message))
    server.expire("cellblock", 600)
    outcome = run_cli("ps", CELLBLOCK_BROKER_URL=broker_url)
    code, seen = on_a_terminal("ps", CELLBLOCK_BROKER_URL=broker_url)
    assert (outcome.returncode, code, "Traceback" in outcome.stderr) == (0, 0, False)
    assert [line.split()[0] for line in outcome.stdout.splitlines()] == ["id", "[/x]", "good"]
    assert outcome.stdout.replace("\n", "").isprintable()
    assert "\x1b]0" not in seen
