"""How `cellblock logs` prints the entries of a job's live output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.live import _entry_id, _Printer
from tasks.live import LiveEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

Read = pytest.CaptureFixture[bytes]

START = LiveEntry("1-0", "start", 1.0, b"1")


def out(data: bytes, kind: str = "stdout", time: float = 0.5, skipped: int = 0) -> LiveEntry:
    return LiveEntry("2-0", kind, time, data, skipped)


def shown(
    capfdbinary: Read, entries: Iterable[LiveEntry], *, timestamps: bool = False, as_json: bool = False
) -> tuple[str, str]:
    """The text on both outputs."""
    printer = _Printer(timestamps=timestamps, raw=False, as_json=as_json)
    for entry in entries:
        printer.show(entry)
    printer.end()
    written, said = capfdbinary.readouterr()
    return written.decode(), said.decode()


def test_each_stream_goes_to_its_own_output(capfdbinary: Read) -> None:
    assert shown(capfdbinary, [START, out(b"out"), out(b"err", "stderr")]) == ("out", "err")


def test_what_is_missing_is_said_where_it_is_missing(capfdbinary: Read) -> None:
    assert shown(capfdbinary, [out(b"x", skipped=2048)]) == (
        "x",
        "cellblock: 2 KiB of stdout are left out here\n",
    )


@pytest.mark.parametrize(("attempt", "said"), [(b"1", ""), (b"2", "cellblock: attempt 2 starts here\n")])
def test_another_attempt_is_said_and_the_first_is_not(capfdbinary: Read, attempt: bytes, said: str) -> None:
    assert shown(capfdbinary, [LiveEntry("1-0", "start", 1.0, attempt)]) == ("", said)


@pytest.mark.parametrize(
    ("kind", "counts"), [("start", True), ("stdout", True), ("stderr", True), ("end", False)]
)
def test_an_end_alone_is_no_live_output(capfdbinary: Read, kind: str, counts: bool) -> None:
    printer = _Printer(timestamps=False, raw=False, as_json=False)
    printer.show(out(b"1", kind))
    printer.show(out(b"x", "end"))
    assert printer.shown is counts


def test_each_line_has_the_time_of_its_first_bytes(capfdbinary: Read) -> None:
    entries = [out(b"a\nb", time=0.5), out(b"c", time=1.25), out(b"\nd\n", time=2), out(b"e", time=3)]
    assert shown(capfdbinary, entries, timestamps=True)[0].splitlines() == [
        "1970-01-01T00:00:00.500Z a",
        "1970-01-01T00:00:00.500Z bc",
        "1970-01-01T00:00:02.000Z d",
        "1970-01-01T00:00:03.000Z e",
    ]


def test_the_lines_of_one_stream_do_not_break_those_of_the_other(capfdbinary: Read) -> None:
    entries = [out(b"a", time=1), out(b"b\n", "stderr", time=2), out(b"c\n", time=3)]
    assert shown(capfdbinary, entries, timestamps=True) == (
        "1970-01-01T00:00:01.000Z ac\n",
        "1970-01-01T00:00:02.000Z b\n",
    )


def lines(capfdbinary: Read, entries: Iterable[LiveEntry]) -> list[dict[str, Any]]:
    written, said = shown(capfdbinary, entries, as_json=True)
    assert said == ""
    return [json.loads(line) for line in written.splitlines()]


def test_as_json_each_entry_is_a_line_with_all_that_is_known(capfdbinary: Read) -> None:
    assert lines(capfdbinary, [START, out(b"x", skipped=3)]) == [
        {"id": "1-0", "kind": "start", "time": 1.0, "text": "1", "skipped_bytes": 0},
        {"id": "2-0", "kind": "stdout", "time": 0.5, "text": "x", "skipped_bytes": 3},
    ]


def test_as_json_a_character_in_two_pieces_is_one_and_half_a_one_before_a_gap_is_none(
    capfdbinary: Read,
) -> None:
    halves = [out(b"\xc3"), out(b"\xa9", "stderr"), out(b"\xa9"), out(b"\xc3"), out(b"\xa9", skipped=1)]
    texts = [line["text"] for line in lines(capfdbinary, halves)]
    assert texts == ["", "\ufffd", "é", "", "\ufffd"]


@pytest.mark.parametrize("text", ["0", "1700000000000-0", "9" * 20 + "-" + "9" * 20])
def test_an_entry_is_named_as_redis_does(text: str) -> None:
    assert _entry_id(text) == text


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "9" * 21, "1-" + "9" * 21, "1-0 "])
def test_what_names_no_entry_is_a_wrong_call(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no id of an entry"):
        _entry_id(text)
