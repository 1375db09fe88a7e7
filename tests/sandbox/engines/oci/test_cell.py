"""The worker's side of a cell with three pipes. The test holds the other ends, as the supervisor would."""

from __future__ import annotations

import io
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sandbox import EngineFailed
from sandbox.cell import CellInfo
from sandbox.engines.engine import OpenCell
from sandbox.engines.oci.cell import OciCell
from sandbox.engines.oci.cgroup import CellGroup
from sandbox.events import STDERR, STDOUT, Closed, Ended, Output, Started
from tests.clock import Clock
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.events import Event
    from tests.sandbox.conftest import Parse

MIB = 1 << 20


class Supervised:
    """A cell, and the ends of its pipes that its supervisor has. The control group is a folder of files."""

    def __init__(self, stack: ExitStack, root: Path) -> None:
        self._stack = stack
        self.group = root / "one"
        self.group.mkdir()
        (root / "cgroup.controllers").touch()
        (self.group / "cgroup.kill").touch()
        orders_in, orders = os.pipe()
        out, out_in = os.pipe()
        err, err_in = os.pipe()
        self.orders, self.out, self.err = (
            self._held(end, mode) for end, mode in ((orders_in, "r"), (out_in, "w"), (err_in, "w"))
        )
        ends = ((orders, "w"), (out, "r"), (err, "r"))
        streams = tuple(self._held(end, mode) for end, mode in ends)
        opened = OpenCell("one", CellInfo("oci"), streams, env={"ROOM": "much", "A": "cell's"})
        self.cell = OciCell(opened, CellGroup("one", root), bound_s=0.3)

    def _held(self, descriptor: int, mode: str) -> io.FileIO:
        file = io.FileIO(descriptor, mode)
        self._stack.callback(file.close)
        return file

    def start(self, parse: Parse) -> None:
        """Hand a job over, and report its start."""
        self.cell.start(parse())
        self._overture, self._nonce, *_ = self.heard().split()
        self.out.write(b"\0" + self._overture + b" start - 1.00\n")
        assert list(self.cell.poll(5)) == [Started()]

    def end(self) -> list[Event]:
        """Report the job's end on both streams."""
        for stream in (self.out, self.err):
            stream.write(b"\0" + self._nonce + b" end 0 - - - 2.00\n")
        return [*self.cell.poll(5), *self.cell.poll(5)]

    def heard(self) -> bytes:
        """What the worker has written for the supervisor since the last call."""
        os.set_blocking(self.orders.fileno(), False)
        return self.orders.read(MIB) or b""

    def uses(self, *, faults: int) -> None:
        """The cell is full, holds no files, and has had so many major page faults."""
        for name, text in (
            ("memory.current", f"{64 * MIB}"),
            ("memory.max", f"{64 * MIB}"),
            ("memory.stat", f"pgmajfault {faults}"),
        ):
            (self.group / name).write_text(text)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Supervised]:
    with ExitStack() as stack:
        yield Supervised(stack, tmp_path)


def test_a_job_gets_the_variables_of_its_cell_and_its_own_before_them(one: Supervised, parse: Parse) -> None:
    one.cell.start(parse(env={"A": "job's"}))
    heard = one.heard().decode()
    assert ("ROOM=much" in heard, "A=job" in heard, "A=cell" in heard) == (True, True, False)


def test_a_cell_that_takes_no_orders_is_given_up_in_time(one: Supervised, parse: Parse) -> None:
    began = time.monotonic()
    with pytest.raises(EngineFailed, match=r"did not take its orders within 0\.3 s"):
        one.cell.start(parse(stdin="x" * MIB))
    assert 0.29 < time.monotonic() - began < 10 * PATIENCE


def test_a_cell_that_closes_before_it_has_its_orders_says_so_at_the_next_poll(
    one: Supervised, parse: Parse
) -> None:
    for end in (one.orders, one.out, one.err):
        end.close()
    one.cell.start(parse(stdin="x" * MIB))
    assert [*one.cell.poll(5), *one.cell.poll(5)][-1] == Closed()


def test_a_cell_is_closed_once_both_of_its_streams_are(one: Supervised, parse: Parse) -> None:
    one.start(parse)
    one.out.write(b"last\0")
    one.out.close()
    assert [*one.cell.poll(5), *one.cell.poll(5)] == [Output(STDOUT, b"last")]
    one.err.write(b"words")
    assert list(one.cell.poll(5)) == [Output(STDERR, b"words")]
    one.err.close()
    assert list(one.cell.poll(5)) == [Output(STDOUT, b"\0"), Closed()]


def test_a_poll_waits_no_longer_than_half_a_second(one: Supervised) -> None:
    began = time.monotonic()
    assert list(one.cell.poll(600)) == []
    assert 0.49 < time.monotonic() - began < 10 * PATIENCE


def test_the_supervisor_is_told_to_end_a_job_only_while_there_is_one(one: Supervised, parse: Parse) -> None:
    one.start(parse)
    one.cell.terminate()
    one.cell.kill()
    assert one.heard() == b"term\nkill\n"
    assert isinstance(one.end()[-1], Ended)
    one.cell.kill()
    assert one.heard() == b""


def test_a_supervisor_that_is_gone_is_told_nothing(one: Supervised) -> None:
    one.orders.close()
    one.cell.kill()


def test_what_the_supervisor_does_not_end_is_killed_from_outside(one: Supervised) -> None:
    one.cell.destroy()
    assert (one.group / "cgroup.kill").read_text() == "1"


@pytest.mark.parametrize(("kills", "is_for_memory"), [(0, False), (1, True)])
def test_an_end_without_a_report_is_a_kill_by_the_kernel_or_by_somebody(
    one: Supervised, kills: int, *, is_for_memory: bool
) -> None:
    (one.group / "memory.events").write_text(f"oom 1\noom_kill {kills}\n")
    evidence = one.cell.examine()
    assert (evidence.exit_code, evidence.out_of_memory) == (137, is_for_memory)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("sandbox.engines.oci.cell.time", clock)
    return clock


def starving_after(one: Supervised, clock: Clock, *waits_s: float) -> list[bool]:
    """Whether the job starves after each of these waits, with a thousand page faults in each."""
    seen = []
    for number, wait_s in enumerate(waits_s):
        clock.now_s += wait_s
        one.uses(faults=1000 * number)
        list(one.cell.poll(0))
        seen.append(one.cell.starving)
    return seen


def test_a_job_starves_after_two_seconds_at_its_limit_however_often_it_is_looked_at(
    one: Supervised, parse: Parse, clock: Clock
) -> None:
    one.start(parse)
    assert starving_after(one, clock, 0.9, 0.1, 0.5, 0.4, 0.1, 0.9, 0.1) == [False] * 6 + [True]
    one.uses(faults=0)
    clock.now_s += 1
    list(one.cell.poll(0))
    assert one.cell.starving


def test_the_memory_of_a_cell_without_a_job_is_not_looked_at(
    one: Supervised, parse: Parse, clock: Clock
) -> None:
    assert starving_after(one, clock, 10, 10, 10) == [False] * 3
    one.start(parse)
    one.end()
    assert starving_after(one, clock, 10, 10, 10) == [False] * 3
