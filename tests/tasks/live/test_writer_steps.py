"""Each step of the writer of live output, with a stream that fails or is slow in place of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.threads import dead_threads
from tasks.live.write import live_output
from tasks.live.write.live_output import LiveOutput
from tests.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable


class Stream:
    """A stream that calls a function of the test at each write."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._write = write

    def write(self, _: object) -> None:
        self._write()


class Rests:
    """Records how long the writer rests. It replaces the event that tells the writer to end."""

    def __init__(self) -> None:
        self.lasted_s: list[float] = []

    def wait(self, seconds: float) -> None:
        self.lasted_s.append(seconds)


def output_to(write: Callable[[], object]) -> Any:
    stream: Any = Stream(write)
    return LiveOutput(stream, "job", 1 << 20)


@pytest.mark.parametrize(("took_s", "rests_s"), [(0.0, 0.0), (0.005, 0.045), (1.0, 0.1)])
def test_the_writer_rests_nine_times_as_long_as_a_write_took_up_to_a_tenth_of_a_second(
    monkeypatch: pytest.MonkeyPatch, took_s: float, rests_s: float
) -> None:
    clock, rests = Clock(), Rests()
    monkeypatch.setattr(live_output, "time", clock)
    output = output_to(lambda: clock.sleep(took_s))
    output._closing = rests
    output.heard(1, b"a line\n")
    output._unsent.close()
    output._write()
    assert rests.lasted_s == [pytest.approx(rests_s)]


def test_a_writer_that_dies_takes_no_process_with_it(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError

    output = output_to(fail)
    output._thread.start()
    output._thread.join(10)
    assert "cellblock-live" not in dead_threads()
    assert "The thread cellblock-live has died" in caplog.text
