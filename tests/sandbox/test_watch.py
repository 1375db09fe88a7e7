"""The order in which a cell's two streams tell of its end, which nobody decides."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from sandbox import Onlooker, Status
from sandbox.cell import CellInfo, Evidence
from sandbox.events import STDOUT, Archived, Closed, Ended, Event, Output, Started, Usage
from sandbox.watch import Watch

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse

END = Ended(0, Usage())
FIRST, SECOND = Archived(b"first "), Archived(b"second")


class ToldCell:
    """Tells what it was told to, one poll after the other; then its streams are closed."""

    info = CellInfo(engine="none")
    starving = False

    def __init__(self, *polls: list[Event]) -> None:
        self._polls = deque(polls)
        self.kills = 0

    def poll(self, timeout_s: float) -> list[Event]:
        return self._polls.popleft() if self._polls else [Closed()]

    def start(self, job: Job) -> None:
        """Nothing to do, as with all the others."""

    def kill(self) -> None:
        self.kills += 1

    terminate = destroy = kill

    def examine(self) -> Evidence:
        return Evidence(exit_code=1)


@pytest.mark.parametrize(
    "polls",
    [
        [[Started()], [END, FIRST], [SECOND]],
        [[Started()], [FIRST, END, SECOND]],
        [[Started()], [FIRST], [SECOND], [END]],
        [[Started(), FIRST, SECOND, END]],
        [[Started()], [FIRST], [END, SECOND]],
    ],
    ids=["after the end", "around it", "before it", "all at once", "one poll before it"],
)
def test_the_archive_is_whole_whenever_the_end_mark_of_stderr_comes(
    parse: Parse, polls: list[list[Event]]
) -> None:
    watch = Watch(ToldCell(*polls), parse(artifacts=["**"]), bound_s=5, onlooker=Onlooker())
    watch.until_started()
    assert watch.until_ended().report == END
    assert b"".join(watch.archive()) == b"first second"


def test_a_job_that_forges_its_end_and_goes_on_writing_is_stopped(parse: Parse) -> None:
    flood: list[Event] = [Archived(b"x" * 50_000)] * 4
    cell = ToldCell([Started()], flood, [END])
    watch = Watch(cell, parse(artifacts=["**"], disk="64k"), bound_s=5, onlooker=Onlooker())
    watch.until_started()
    assert (watch.until_ended().stopped, cell.kills) == (Status.OUTPUT_LIMIT, 1)
    assert sum(map(len, watch.archive())) <= 2 * (64 << 10)


def test_output_before_the_end_is_captured_and_no_part_of_the_archive(parse: Parse) -> None:
    watch = Watch(
        ToldCell([Started()], [Output(STDOUT, b"hi"), FIRST, END]), parse(), bound_s=5, onlooker=Onlooker()
    )
    watch.until_started()
    watch.until_ended()
    assert (watch.captures[STDOUT].text(), list(watch.archive())) == ("hi", [FIRST.data])


def test_a_cell_that_closes_after_its_archive_and_before_its_end_has_not_reported(parse: Parse) -> None:
    watch = Watch(ToldCell([Started()], [FIRST]), parse(), bound_s=5, onlooker=Onlooker())
    watch.until_started()
    ending = watch.until_ended()
    assert (ending.report, ending.evidence) == (None, Evidence(exit_code=1))


def test_a_job_that_starves_is_killed_and_was_out_of_memory(parse: Parse) -> None:
    cell = ToldCell([Started()], [], [Ended(137, Usage())])
    watch = Watch(cell, parse(), bound_s=5, onlooker=Onlooker())
    watch.until_started()
    cell.starving = True
    assert (watch.until_ended().stopped, cell.kills) == (Status.OUT_OF_MEMORY, 1)
