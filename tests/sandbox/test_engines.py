"""What every engine does for those that use it: the sandbox, the warm pool, the remover and the reaper."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sandbox.cell import JobTags
from sandbox.cell_source import CellSource
from sandbox.engines import open_engine
from sandbox.engines.engine import CellSpec, new_name
from sandbox.events import Closed, Ended, Output, Started
from sandbox.labels import new_labels
from sandbox.limits import warm_limits
from sandbox.process_mark import this_process
from sandbox.reaper import due, reap
from tests.engines import remove_groups
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings
    from sandbox import Sandbox
    from sandbox.cell import Cell
    from sandbox.engines.engine import Engine, FoundCell, OpenCell
    from sandbox.events import Event
    from tests.sandbox.conftest import Parse

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

AN_HOUR_S = 3600.0


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    """The settings of an engine for a deployment that only this test has."""
    return sandbox.settings.model_copy(update={"owner": f"test-{secrets.token_hex(4)}"})


@pytest.fixture
def own(settings: Settings) -> Iterator[Engine]:
    """An engine. What the test leaves is removed, with the folders of the deployment."""
    with closing(open_engine(settings)) as real:
        yield real
        for cell in real.list():
            real.remove(cell.name)
    remove_groups(settings.owner)


@contextmanager
def made(
    own: Engine, sandbox: Sandbox, owner: str, *, due_in_s: float = AN_HOUR_S, **labels: str
) -> Iterator[OpenCell]:
    """A cell of bash. Its streams are closed at the end, but nobody removes it."""
    bash = sandbox.catalogue["bash"]
    limits = warm_limits(bash, sandbox.settings)
    written = new_labels(
        owner=owner,
        runtime="bash",
        state="job",
        deadline=time.time() + due_in_s,
        limits=limits.text,
        task="a task",
        worker="w@h",
    )
    written |= {f"cellblock.{key}": value for key, value in labels.items()}
    opened = own.make(CellSpec(new_name(), bash, limits, written))
    try:
        yield opened
    finally:
        for stream in opened.streams:
            stream.close()


def found(own: Engine, name: str) -> FoundCell:
    (cell,) = [cell for cell in own.list() if cell.name == name]
    return cell


def ended(cell: Cell) -> list[Event]:
    """All events of a cell until its job or itself has ended."""
    events: list[Event] = []

    def is_over() -> bool:
        events.extend(cell.poll(1))
        return any(isinstance(event, (Ended, Closed)) for event in events)

    wait_until(is_over, 20, "the cell has ended")
    return events


def test_a_cell_is_listed_with_its_labels_and_only_for_its_deployment(
    own: Engine, sandbox: Sandbox, settings: Settings
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        cell = found(own, opened.name)
        with closing(open_engine(sandbox.settings)) as others:
            assert opened.name not in [one.name for one in others.list()]
    labels = {key: cell.labels.written[f"cellblock.{key}"] for key in ("owner", "task", "worker", "runtime")}
    assert labels == {"owner": settings.owner, "task": "a task", "worker": "w@h", "runtime": "bash"}
    assert (cell.dead_since, cell.labels.is_for_job, cell.labels.is_mine) == (None, True, True)
    assert cell.labels.written["cellblock.process"] == this_process()


def test_a_cell_whose_input_is_closed_ends_by_itself_and_says_since_when(
    own: Engine, sandbox: Sandbox, settings: Settings
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        name = opened.name
    since = wait_until(lambda: found(own, name).dead_since, 20, "the cell is dead")
    assert since is not None
    # The engine says the time to the second.
    assert -1 <= own.now() - since() < 30 * PATIENCE


def test_a_removed_cell_is_gone_and_may_be_removed_again(
    own: Engine, sandbox: Sandbox, settings: Settings
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        own.remove(opened.name)
        assert own.list() == []
        own.remove(opened.name)


def test_a_cell_that_is_given_back_is_gone_and_its_streams_are_closed(
    own: Engine, settings: Settings, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[OpenCell] = []
    monkeypatch.setattr(own, "cell", taken.append)
    source = CellSource(settings, own)
    with source.acquire(parse("true"), JobTags()):
        assert len(own.list()) == 1
    source.settle()
    assert own.list() == []
    # Both kinds say so of themselves when they are shown: `[closed]`.
    assert all("[closed]" in repr(stream) for one in taken for stream in one.streams)


def test_what_was_never_made_may_be_removed(own: Engine) -> None:
    own.remove(new_name())


def test_a_cell_runs_its_job_and_reports_its_end(
    own: Engine, sandbox: Sandbox, settings: Settings, parse: Parse
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        cell = own.cell(opened)
        cell.start(parse("echo hi; exit 3", "bash"))
        events = ended(cell)
    assert isinstance(events[0], Started)
    assert b"".join(event.data for event in events if isinstance(event, Output)) == b"hi\n"
    assert [event.exit_code for event in events if isinstance(event, Ended)] == [3]


def test_a_cell_can_be_handed_over_by_its_descriptors(
    own: Engine, sandbox: Sandbox, settings: Settings, parse: Parse
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        mine = own.adopt([os.dup(stream.fileno()) for stream in opened.streams])
        cell = own.cell(replace(opened, streams=mine))
        cell.start(parse("echo hi", "bash"))
        assert any(isinstance(event, Ended) for event in ended(cell))
        for stream in mine:
            stream.close()


def test_a_cell_that_is_destroyed_closes_its_streams_and_was_killed(
    own: Engine, sandbox: Sandbox, settings: Settings, parse: Parse
) -> None:
    with made(own, sandbox, settings.owner) as opened:
        cell = own.cell(opened)
        cell.start(parse("while :; do :; done", "bash"))
        cell.destroy()
        assert isinstance(ended(cell)[-1], Closed)
        evidence = cell.examine()
    assert (evidence.exit_code, evidence.out_of_memory) == (137, False)


def test_the_memory_of_a_running_cell_is_changed(
    own: Engine, sandbox: Sandbox, settings: Settings, parse: Parse
) -> None:
    job = parse("tail /dev/zero", "bash", memory="32m", timeout=20)
    with made(own, sandbox, settings.owner) as opened:
        own.adapt(opened, job.limits)
        cell = own.cell(opened)
        cell.start(job)
        (end,) = [event for event in ended(cell) if isinstance(event, Ended)]
    assert end.usage.oom_kills
    assert (end.usage.peak_bytes or 0) <= 32 << 20


def test_a_reaper_removes_what_is_due_though_it_runs_and_nothing_else(
    own: Engine, sandbox: Sandbox, settings: Settings
) -> None:
    with (
        made(own, sandbox, settings.owner) as stays,
        made(own, sandbox, settings.owner, due_in_s=-AN_HOUR_S, process="elsewhere/1/2") as goes,
    ):
        assert due(own, settings) == [goes.name]
        assert reap(own, settings) == [goes.name]
        assert [cell.name for cell in own.list()] == [stays.name]


def test_who_leaves_takes_along_what_it_made(own: Engine, sandbox: Sandbox, settings: Settings) -> None:
    with made(own, sandbox, settings.owner) as opened:
        assert reap(own, settings, leaving=True) == [opened.name]
    assert own.list() == []


def test_an_engine_answers_and_its_clock_is_the_hosts(own: Engine) -> None:
    own.ping()
    assert abs(own.now() - time.time()) < 5 * PATIENCE
