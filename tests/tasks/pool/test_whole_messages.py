"""A pool process that is told to end leaves no half message to its parent, and else ends as billiard does."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tasks.pool.whole_messages import WholeMessages

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def ended_by(number: int, handler: Any, act: Callable[[WholeMessages], object]) -> int:
    """The exit code of a forked process that does `act` with this handler, or minus its signal's number."""
    child = os.fork()
    if child == 0:
        # Whatever happens, no second pytest goes on from here.
        try:
            signal.signal(number, handler)
            act(WholeMessages(lambda _: signal.raise_signal(number)))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def leave(*_: object) -> None:
    """End the process in an orderly way, as billiard's handler does."""
    os._exit(7)


def send(messages: WholeMessages) -> None:
    messages.send((0, (1,)))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_mid_message_kills_the_process_before_its_handler_can_cut_the_message(
    number: int,
) -> None:
    assert ended_by(number, leave, send) == -signal.SIGTERM


@pytest.mark.parametrize("number", SIGNALS)
def test_between_messages_the_usual_handler_has_the_signal(number: int) -> None:
    assert ended_by(number, leave, lambda _: signal.raise_signal(number)) == 7


@pytest.mark.parametrize("number", SIGNALS)
def test_an_ignored_signal_stays_ignored(number: int) -> None:
    assert ended_by(number, signal.SIG_IGN, send) == 0


def test_after_a_message_that_could_not_be_sent_the_usual_handler_has_the_signal() -> None:
    def fail_then_end(_: WholeMessages) -> None:
        with pytest.raises(BrokenPipeError):
            WholeMessages(broken).send((0, (1,)))
        signal.raise_signal(signal.SIGTERM)

    assert ended_by(signal.SIGTERM, leave, fail_then_end) == 7


def broken(_: object) -> None:
    raise BrokenPipeError
