"""How `doctor` reports checks that are slow, crash, or can't see something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from cli import doctor as checks
from tests.programs import free_port, run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.checks.finding import Finding


def test_each_check_says_in_its_docstring_what_it_looks_at() -> None:
    assert all(check.__doc__ for check in checks.CHECKS.values())


def test_a_slow_check_is_flagged(broker_url: str, examine: Callable[..., list[dict[str, Any]]]) -> None:
    with redis.Redis.from_url(broker_url) as server:
        server.client_pause(1500)
        (finding,) = examine("persistence", CELLBLOCK_BROKER_URL=broker_url)
    assert (finding["slow"], finding["seconds"] > 1) == (True, True)


def test_a_check_that_crashes_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, examine: Callable[..., list[dict[str, Any]]]
) -> None:
    def broken() -> Iterator[Finding]:
        raise ZeroDivisionError("by nobody")

    monkeypatch.setitem(checks.CHECKS, "clock", broken)
    (finding,) = examine("clock")
    assert (finding["level"], finding["message"]) == (
        "problem",
        "the check itself failed: ZeroDivisionError: by nobody",
    )


def test_what_needs_a_redis_that_is_away_is_said_once() -> None:
    outcome = run_cli(
        *("doctor", "redis", "persistence", "clock"),
        CELLBLOCK_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0",
    )
    assert outcome.stdout.count("cannot be reached") == 1
    assert outcome.stdout.count("not examined, see redis") == 2


def test_without_cells_nothing_of_the_engine_is_examined(broker_url: str) -> None:
    outcome = run_cli("doctor", "--json", ENABLE_DOCKER="false", CELLBLOCK_BROKER_URL=broker_url)
    seen = {finding["check"] for finding in json.loads(outcome.stdout)}
    assert (outcome.returncode, seen) == (0, {name for name in checks.CHECKS if name not in ENGINE_CHECKS})


ENGINE_CHECKS = ("engine", "socket", "images", "disk", "leftovers")
