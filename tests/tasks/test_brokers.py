"""A job on every kind of Redis that a worker can use, with real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.brokers import ENCODED, PASSWORD, sentinels, server_on_socket, server_with_tls
from tests.programs import ROOT, Worker, run_cli, running_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# These tests check the connection to Redis alone, so the jobs need no engine.
HOST = {"ENABLE_DOCKER": "false"}


def tls(folder: Path) -> Iterator[str]:
    with server_with_tls(folder) as (port, paths):
        yield f"rediss://:{ENCODED}@127.0.0.1:{port}/3?ssl_ca_certs={paths['ca']}"


def tls_both_ways(folder: Path) -> Iterator[str]:
    with server_with_tls(folder, "--tls-auth-clients", "yes") as (port, paths):
        mine = f"ssl_certfile={paths['cert']}&ssl_keyfile={paths['key']}"
        yield f"valkeys://:{ENCODED}@127.0.0.1:{port}?db=3&ssl_ca_certs={paths['ca']}&{mine}"


def unix_socket(folder: Path) -> Iterator[str]:
    with server_on_socket(folder) as path:
        yield f"unix://:{ENCODED}@{path}?db=3"


def celerys_socket(folder: Path) -> Iterator[str]:
    with server_on_socket(folder) as path:
        yield f"redis+socket://:{ENCODED}@{path}?virtual_host=3"


def sentinel(folder: Path) -> Iterator[str]:
    with sentinels(folder) as them:
        yield them.address


@pytest.fixture(
    scope="module",
    params=[tls, tls_both_ways, unix_socket, celerys_socket, sentinel],
    ids=lambda p: p.__name__,
)
def anywhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker on one kind of Redis."""
    folder = tmp_path_factory.mktemp("kind")
    for url in request.param(folder):
        with running_worker(folder, url, "--concurrency=1", **HOST) as worker:
            yield worker


def ask(worker: Worker, *arguments: str) -> tuple[int, str, str]:
    outcome = run_cli(*arguments, CELLBLOCK_BROKER_URL=worker.broker_url, **HOST)
    return outcome.returncode, outcome.stdout, outcome.stderr


def test_a_job_goes_there_and_its_result_comes_back(anywhere: Worker) -> None:
    assert ask(anywhere, "submit", "--wait", "--", "echo there")[:2] == (0, "there\n")


def test_its_output_is_followed_while_it_runs(anywhere: Worker) -> None:
    code, out, _ = ask(anywhere, "submit", "--follow", "--", "echo one; sleep 0.2; echo two")
    assert (code, out) == (0, "one\ntwo\n")


def test_doctor_sees_redis_and_the_worker(anywhere: Worker) -> None:
    def seen() -> tuple[int, str, str, str]:
        code, out, _ = ask(anywhere, "doctor", "--json", "redis", "persistence", "clock", "workers")
        levels = {row["check"]: row["level"] for row in json.loads(out)}
        return code, levels["redis"], levels["clock"], levels["workers"]

    # A worker that has just said that it is ready is on the register a moment later.
    wait_until(lambda: seen() == (0, "ok", "ok", "ok"), 10, "the worker is seen")


def test_the_roster_shows_what_runs(anywhere: Worker) -> None:
    _, task_id, _ = ask(anywhere, "submit", "--", "sleep 30")
    wait_until(lambda: task_id.strip() in ask(anywhere, "ps", "--json")[1], 20, "the job is in the roster")
    assert ask(anywhere, "cancel", task_id.strip())[0] == 0
    code, out, _ = ask(anywhere, "result", "--wait", "--json", task_id.strip())
    assert (code, json.loads(out)["status"]) == (137, "cancelled")


def test_no_log_has_the_password(anywhere: Worker) -> None:
    log = anywhere.log()
    assert "transport:" in log
    assert not [piece for piece in (PASSWORD, ENCODED, "c#d", "d%40e", "e%f", "f:g") if piece in log]


FOLLOW = """
import asyncio
from tasks import follow_async
from tasks.live.place import live_redis
store = live_redis()
for kind in ("start", "end"):
    store.xadd("cellblock.live:job", {"kind": kind, "time": "1", "offset": "0", "data": kind})
store.expire("cellblock.live:job", 60)
async def followed():
    return [entry.data async for entry in follow_async("job")]
print(asyncio.run(followed()))
"""


def test_asyncio_follows_by_sentinels_too_and_hangs_up_on_them(tmp_path: Path) -> None:
    with sentinels(tmp_path) as them:
        env = os.environ | {"CELLBLOCK_BROKER_URL": them.address, "ENABLE_DOCKER": "false"}
        command = [sys.executable, "-X", "dev", "-c", FOLLOW]
        ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout == "[b'start', b'end']\n"
    assert "unclosed transport" not in ran.stderr
