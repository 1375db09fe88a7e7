"""`cellblock reap` does once what every worker does regularly."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import docker.errors
import pytest

from cli.reap import reap
from tests.cli.checks.test_engine import left_behind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> str:
    """Gives an owner that only this test uses."""
    name = f"test-{secrets.token_hex(4)}"
    monkeypatch.setenv("CELLBLOCK_OWNER", name)
    return name


@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_what_is_due_is_removed_and_named_and_nobody_elses_is_touched(
    engine: docker.APIClient, owner: str, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with left_behind(engine, f"{owner}-other") as theirs, gone(engine, owner) as ours:
        reap(as_json=as_json)
        engine.inspect_container(theirs)
    shown = capsys.readouterr().out
    assert (json.loads(shown) if as_json else shown.splitlines()) == [ours]


@contextmanager
def gone(engine: docker.APIClient, owner: str) -> Iterator[str]:
    """Gives a container that is past its deadline. It must be removed at the end of the test."""
    with suppress(docker.errors.NotFound), left_behind(engine, owner) as name:
        yield name
    with pytest.raises(docker.errors.NotFound):
        engine.inspect_container(name)


def test_where_nothing_is_due_nothing_is_said(
    engine: docker.APIClient, owner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reap()
    assert capsys.readouterr() == ("", "")
