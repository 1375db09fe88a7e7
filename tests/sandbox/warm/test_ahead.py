"""A warm cell that is asked for before its job may begin, from a real pool behind a keeper's socket."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import Sandbox
from sandbox.warm import WarmPool
from sandbox.warm.keeper import serve
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from sandbox.engines.engine import OpenCell

COMPILED = {"files": {"main.cpp": "int main() {}"}}


@dataclass
class Shop:
    """A sandbox, and the names of the cells that the pool has handed over to it."""

    sandbox: Sandbox
    pool: WarmPool
    given: list[str] = field(default_factory=list)

    def take(self, runtime: str) -> OpenCell | None:
        cell = self.pool.take(runtime)
        self.given += [cell.name] if cell else []
        return cell

    def has_given(self, count: int) -> None:
        wait_until(lambda: len(self.given) == count, 10, f"{count} cells are given")


@pytest.fixture
def shop(engine: docker.APIClient, tmp_path: Path) -> Iterator[Shop]:
    del engine
    settings = load_settings(warm="0,bash=2", pull="never")
    path, (ours, stop) = str(tmp_path / "socket"), socket.socketpair()
    with ExitStack() as stack:
        pool = stack.enter_context(closing(WarmPool(settings)))
        for end in (ours, stop, listener := socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)):
            stack.enter_context(end)
        listener.bind(path)
        listener.listen()
        shop = Shop(stack.enter_context(Sandbox(settings, keeper=path)), pool)
        thread = threading.Thread(target=serve, args=(listener, shop.take, pool.note_claims, stop.fileno()))
        thread.start()
        stack.callback(thread.join)
        stack.callback(ours.send, b".")
        assert pool.wait_until_full(60 * PATIENCE)
        yield shop


def test_a_job_gets_the_cell_that_was_asked_for_ahead(shop: Shop) -> None:
    job = shop.sandbox.parse("true", "bash")
    with shop.sandbox.ahead(job):
        shop.has_given(1)
        result = shop.sandbox.run_job(job)
    assert (result.warm, shop.given) == (True, [result.container])


def test_a_cell_that_was_asked_for_in_vain_is_removed(shop: Shop, engine: docker.APIClient) -> None:
    with shop.sandbox.ahead(shop.sandbox.parse("true", "bash")):
        shop.has_given(1)
    shop.sandbox.settle()
    assert engine.containers(all=True, filters={"name": shop.given[0]}) == []


def test_a_cell_that_was_asked_for_long_ago_is_removed_and_the_job_gets_another(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.cell_source._FRESH_S", 0.0)
    job = shop.sandbox.parse("true", "bash")
    with shop.sandbox.ahead(job):
        shop.has_given(1)
        result = shop.sandbox.run_job(job)
    assert (result.warm, result.container) == (True, shop.given[1])


@pytest.mark.parametrize(
    "request_",
    [
        {"cmd": None, "runtime": "cpp", **COMPILED},
        {"cmd": "true", "runtime": "bash", "runs": [{}]},
        {"cmd": "true", "runtime": "bash", "pids": 7},
    ],
    ids=["compiled", "several runs", "not the warm limits"],
)
def test_nothing_is_asked_for_where_the_job_may_not_use_one_warm_cell(
    shop: Shop, request_: dict[str, object]
) -> None:
    job = shop.sandbox.parse(request_.pop("cmd"), request_.pop("runtime"), **request_)
    with shop.sandbox.ahead(job):
        assert shop.sandbox.run("true", "bash").container == shop.given[0]
    assert len(shop.given) == 1


def test_a_thread_beside_others_asks_for_nothing_ahead(shop: Shop) -> None:
    job = shop.sandbox.parse("true", "bash")

    def ask() -> None:
        with shop.sandbox.ahead(job):
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    shop.sandbox.run("true", "bash")
    assert len(shop.given) == 1
