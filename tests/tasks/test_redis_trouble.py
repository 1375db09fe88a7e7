"""A Redis that answers but refuses writes: the worker waits, logs why, and continues afterwards."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest
import redis

from tasks.redis_rights import refusals
from tests.brokers import sentinels
from tests.programs import ROOT, run_cli, running_redis, running_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = {"ENABLE_DOCKER": "false"}
RULE = re.search(
    r"^user cellblock on >PASSWORD (.*)$", (ROOT / "docs/how-to/choose-a-broker.md").read_text(), re.MULTILINE
)


@pytest.fixture
def server(tmp_path: Path, redis_url: str) -> Iterator[redis.Redis]:
    """A client of a Redis for this test alone, which the test may damage."""
    with running_redis(tmp_path) as url, redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


def url_of(server: redis.Redis, login: str = "") -> str:
    return f"redis://{login}127.0.0.1:{server.get_connection_kwargs()['port']}/0"


def let_in(server: Any, user: str, *rules: str) -> None:
    server.execute_command("ACL", "SETUSER", user, "on", ">word", *rules)


def fill(server: redis.Redis) -> None:
    server.set("junk", "x" * 2_000_000)
    server.config_set("maxmemory", 1_000_000)


def unfill(server: redis.Redis) -> None:
    server.config_set("maxmemory", 0)


def demote(server: redis.Redis) -> None:
    server.replicaof("127.0.0.1", 1)


def promote(server: redis.Redis) -> None:
    server.replicaof("NO", "ONE")


def crowd_out(server: redis.Redis) -> None:
    server.config_set("maxclients", 1)
    for client in server.client_list():
        if client["id"] != str(server.client_id()):
            server.client_kill_filter(_id=client["id"])


def make_room(server: redis.Redis) -> None:
    server.config_set("maxclients", 1000)


def refuse_to_save(server: redis.Redis) -> None:
    server.config_set("save", "3600 1")
    server.config_set("rdbcompression", "no")
    server.set("large", "x" * 1_000_000)
    # For this Redis alone the disk seems to be full.
    resource.prlimit(server.info()["process_id"], resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    server.bgsave()
    wait_until(lambda: server.info()["rdb_last_bgsave_status"] != "ok", 10, "the snapshot fails")


def save_nothing(server: redis.Redis) -> None:
    server.config_set("save", "")
    server.config_set("stop-writes-on-bgsave-error", "no")


TROUBLES = {
    "full": (fill, unfill, "is full (maxmemory) and takes nothing more"),
    "replica": (demote, promote, "is a replica, and takes no writes"),
    "crowded": (crowd_out, make_room, "has no connection left (maxclients)"),
    "disk": (refuse_to_save, save_nothing, "cannot write to its disk, and takes no writes"),
}
each_trouble = pytest.mark.parametrize(("spoil", "mend", "words"), TROUBLES.values(), ids=TROUBLES)


def runs_a_job(url: str) -> bool:
    outcome = run_cli("submit", "--wait", "--", "echo well", CELLBLOCK_BROKER_URL=url, **HOST)
    return outcome.stdout == "well\n"


@each_trouble
def test_a_worker_outlasts_a_redis_that_takes_nothing(
    server: redis.Redis, tmp_path: Path, spoil: Any, mend: Any, words: str
) -> None:
    with running_worker(tmp_path, url_of(server), "--concurrency=1", **HOST) as worker:
        spoil(server)
        wait_until(lambda: words in worker.log(), 30, "the worker says why it waits")
        mend(server)
        assert runs_a_job(url_of(server))
        assert worker.process.poll() is None
        assert "Traceback" not in worker.log()


@each_trouble
def test_a_worker_that_starts_waits_for_it_too(
    server: redis.Redis, tmp_path: Path, spoil: Any, mend: Any, words: str
) -> None:
    spoil(server)
    command = [sys.executable, "-m", "cli", "worker", "--concurrency=1", "--without-mingle"]
    log = tmp_path / "worker.log"
    with log.open("wb") as output, starting(command, output, url_of(server)) as process:
        wait_until(lambda: words in log.read_text(), 30, "the worker says why it waits")
        mend(server)
        wait_until(lambda: " ready." in log.read_text(), 30, "the worker has started")
        assert process.poll() is None
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("spoil", "words"), [(spoil, words) for spoil, _, words in TROUBLES.values()], ids=TROUBLES
)
def test_submit_names_the_cause(
    server: redis.Redis, spoil: Callable[[redis.Redis], None], words: str
) -> None:
    spoil(server)
    outcome = run_cli("submit", "--", "true", CELLBLOCK_BROKER_URL=url_of(server), **HOST)
    assert (outcome.returncode, outcome.stdout, outcome.stderr.count("\n")) == (125, "", 1)
    assert words in outcome.stderr


@contextmanager
def starting(command: list[str], output: IO[bytes], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker, and do not wait until it is ready."""
    env = os.environ | HOST | {"CELLBLOCK_BROKER_URL": url}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_a_user_with_the_documented_rights_can_do_everything(server: redis.Redis, tmp_path: Path) -> None:
    assert RULE
    let_in(server, "cellblock", *RULE[1].split())
    url = url_of(server, "cellblock:word@")
    with running_worker(tmp_path, url, "--concurrency=1", **HOST) as worker:
        assert runs_a_job(url)
        followed = run_cli("submit", "--follow", "--", "echo one", CELLBLOCK_BROKER_URL=url, **HOST)
        assert followed.stdout == "one\n"
        assert run_cli("ps", CELLBLOCK_BROKER_URL=url, **HOST).returncode == 0
        seen = run_cli("doctor", "redis", "rights", "clock", "workers", CELLBLOCK_BROKER_URL=url, **HOST)
        assert (seen.returncode, "no permission" in worker.log()) == (0, False)
    # Only doctor uses this command, and it works without it: it shows how much is lost if Redis fails.
    assert {entry["object"] for entry in server.acl_log()} <= {"config|get"}


def test_a_user_without_them_is_told_so_at_the_start(server: redis.Redis) -> None:
    let_in(server, "poor", "~*", "&*", "+@all", "-evalsha", "-xadd")
    outcome = run_cli("worker", CELLBLOCK_BROKER_URL=url_of(server, "poor:word@"), **HOST)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (125, 1)
    assert "does not permit this user what cellblock needs" in outcome.stderr
    assert "choose-a-broker" in outcome.stderr


def test_doctor_names_each_right_that_is_missing(server: redis.Redis) -> None:
    let_in(server, "poor", "~*", "&*", "+@all", "-evalsha", "-xadd")
    outcome = run_cli("doctor", "rights", CELLBLOCK_BROKER_URL=url_of(server, "poor:word@"), **HOST)
    assert outcome.returncode == 125
    assert "XADD cellblock.probe" in outcome.stdout
    assert "EVAL" in outcome.stdout


def test_a_look_at_the_rights_leaves_nothing_behind(server: redis.Redis) -> None:
    assert refusals(server) == []
    assert server.keys() == []


def test_a_worker_follows_the_primary_that_sentinels_name(tmp_path: Path) -> None:
    with (
        sentinels(tmp_path) as them,
        running_worker(tmp_path, them.address, "--concurrency=1", **HOST) as worker,
    ):
        assert runs_a_job(them.address)
        before = them.primary_port()
        them.primary.kill()
        wait_until(lambda: them.primary_port() != before, 30, "the Sentinel has chosen another primary")
        assert runs_a_job(them.address)
        assert worker.process.poll() is None


def test_a_worker_that_ends_by_itself_is_no_success(broker_url: str, tmp_path: Path) -> None:
    (tmp_path / "broken_step.py").write_text(BROKEN_STEP)
    where = {"CELLBLOCK_BROKER_URL": broker_url, "PYTHONPATH": f"{ROOT}:{tmp_path}"} | HOST
    outcome = run_cli("worker", "--concurrency=1", "--include=broken_step", **where)
    assert outcome.returncode == 1
    assert "the worker has ended, and nobody told it to" in outcome.stderr


BROKEN_STEP = """
from celery import bootsteps
from tasks import app

class Broken(bootsteps.StartStopStep):
    def start(self, consumer):
        raise ArithmeticError("never seen before")

app.steps["consumer"].add(Broken)
"""
