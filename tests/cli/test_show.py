"""What the command writes to its two outputs, and how."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli.outputs import Outputs
from cli.show import note, print_json, print_line, print_table, say
from cli.terminal import printable

if TYPE_CHECKING:
    from typing import Self

ATTACK = "\x1b[2J"


class Terminal:
    """An output that claims to be a terminal. It records what is written and when it is flushed."""

    encoding = "latin-1"

    def __init__(self) -> None:
        self.held = self.seen = b""

    @property
    def buffer(self) -> Self:
        return self

    def isatty(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self.held += data

    def flush(self) -> None:
        self.seen, self.held = self.seen + self.held, b""


def screen_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Replace standard output by such a terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    return terminal


def test_a_note_is_one_harmless_line_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"a{ATTACK}\nb")
    assert capsys.readouterr() == ("", "cellblock: a\\x1b[2J\\nb\n")


def test_data_is_one_harmless_line_in_utf_8(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    say(f"é{ATTACK}")
    print_line({"é": ATTACK})
    print_json({"é": [ATTACK]})
    out, err = capsysbinary.readouterr()
    first, second, *whole = out.decode().splitlines()
    assert (first, second, err) == (r"é\x1b[2J", r'{"é": "\u001b[2J"}', b"")
    assert (json.loads("".join(whole)), whole[1]) == ({"é": [ATTACK]}, '  "é": [')


def test_data_comes_behind_what_was_printed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8"))
    sys.stdout.write("before ")
    say("after")
    assert written.getvalue() == b"before after\n"


def test_data_is_sent_off_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    say("now")
    assert (screen.seen, screen.held) == (b"now\n", b"")


def test_a_table_shows_nothing_as_a_dash_and_cuts_no_cell_but_a_long_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("a", "b", "c"), [(None, "", 0), ("x" * 200, "y" * 201, "[red]")])
    heading, first, second = capsys.readouterr().out.splitlines()
    assert (heading.split(), first.split()) == (["a", "b", "c"], ["-", "-", "0"])
    assert second.split() == ["x" * 200, "y" * 200 + "…", "[red]"]


def test_a_narrow_screen_cuts_no_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("a", "b"), [("x" * 50, "two words")])
    shown = capsys.readouterr().out
    assert (shown.count("x"), "two" in shown, "…" in shown) == (50, True, False)


def test_what_is_shown_of_a_text_ends_somewhere() -> None:
    assert (len(printable("x" * 4000)), len(printable("x" * 4001))) == (4000, 4001)
    assert printable("x" * 4001).endswith("x…")


def test_bytes_go_into_a_pipe_as_they_are_and_at_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    outputs = Outputs()
    outputs.write("stdout", b"\xff\x1b[0m\0")
    outputs.write("stderr", b"\xfe\r\n")
    assert capfdbinary.readouterr() == (b"\xff\x1b[0m\0", b"\xfe\r\n")
    outputs.end()
    assert capfdbinary.readouterr() == (b"", b"")


@pytest.mark.parametrize(("raw", "shown"), [(False, rb"\x1b[2J"), (True, b"\x1b[2J")])
def test_on_a_terminal_nothing_acts_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, raw: bool, shown: bytes
) -> None:
    screen = screen_of(monkeypatch)
    Outputs(raw=raw).write("stdout", ATTACK.encode())
    assert (screen.seen, screen.held) == (shown, b"")


def test_a_character_that_is_not_whole_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    outputs = Outputs()
    outputs.write("stdout", b"\xc3")
    assert screen.seen == b""
    outputs.write("stdout", b"\xa9\xe2\x82\xac\xc3")
    assert screen.seen == b"\xe9" + rb"\u20ac"
    outputs.end()
    assert screen.seen == b"\xe9" + rb"\u20ac\ufffd"


@pytest.mark.parametrize("value", [{"a": 1}, ["x"], ("x",)])
def test_what_is_no_text_is_shown_short(value: Any) -> None:
    assert printable(value) == repr(value)
