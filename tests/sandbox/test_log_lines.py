"""The content of a log line, and how much text from outside it may contain."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from sandbox.log_lines import log_formatter


def record(**about: Any) -> logging.LogRecord:
    known = {"name": "cellblock.x", "levelname": "WARNING", "levelno": 30, "msg": "done", "processName": "P"}
    return logging.makeLogRecord(known | about)


def line(**about: Any) -> dict[str, Any]:
    """The object that a record becomes as a line of JSON."""
    read: dict[str, Any] = json.loads(log_formatter("json").format(record(**about)))
    return read


def test_a_line_of_json_says_who_when_and_how_loud() -> None:
    said = line(msg="hi %s", args=("you",))
    assert said.pop("timestamp").endswith("Z")
    assert said == {"event": "hi you", "level": "warning", "logger": "cellblock.x", "process": "P"}


def test_a_line_carries_what_is_bound_what_is_known_of_the_job_and_five_words_besides() -> None:
    extra = {
        "status": "failed",
        "exit_code": 3,
        "attempt": 2,
        "warm": True,
        "seconds": 0.5,
        "stdout": "private",
    }
    formatter = log_formatter("json", facts=lambda: {"tenant": "a"}, worker="w")
    said = json.loads(formatter.format(record(data={"id": "t-1", "args": "private"}, **extra)))
    for name in ("timestamp", "event", "level", "logger"):
        said.pop(name)
    assert said == {
        "process": "P",
        "worker": "w",
        "task": "t-1",
        "tenant": "a",
        **{name: extra[name] for name in ("status", "exit_code", "attempt", "warm", "seconds")},
    }


@pytest.mark.parametrize("data", [None, "x", {}, ["id"]])
def test_a_record_of_no_task_names_none(data: object) -> None:
    assert "task" not in line(data=data)


def test_for_people_the_level_is_in_capitals_and_there_are_no_colours_off_a_terminal() -> None:
    shown = log_formatter("console", worker="w").format(record())
    assert shown.split("Z ", 1)[1] == "[WARNING  ] done [cellblock.x] process=P worker=w"


def test_on_a_terminal_the_level_has_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    formatter = log_formatter("console")
    shown = [formatter.format(record(levelname=name)) for name in ("INFO", "WARNING", "ERROR", "CRITICAL")]
    assert [one.split("m", 1)[0].rpartition("[")[2] for one in shown] == ["32", "33", "31", "31"]
    assert "\x1b[33mWARNING  \x1b[0m] done" in shown[1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a.b-é", "a.b-é"),
        ("", ""),
        (3, "3"),
        (None, "None"),
        ("a b", "'a b'"),
        ("a=b", "'a=b'"),
        ("it's", '"it\'s"'),
        ("x\n2026 fake", r"'x\n2026 fake'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("\u202e", r"'\u202e'"),
    ],
)
def test_for_people_a_value_can_be_taken_for_nothing_else(value: object, shown: str) -> None:
    said = log_formatter("console", facts=lambda: {"runtime": "bash"}).format(record(status=value))
    assert said.split("[cellblock.x] ", 1)[1] == f"process=P runtime=bash status={shown}"


def test_the_time_of_a_line_is_when_it_was_logged_in_utc() -> None:
    at = 1_700_000_000.0
    assert line(created=at)["timestamp"] == "2023-11-14T22:13:20.000000Z"
    assert log_formatter("console").format(record(created=at)).startswith("2023-11-14T22:13:20.000000Z [")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (4000, "x" * 4000),
        (4001, "x" * 2000 + "\n… 1 characters …\n" + "x" * 2000),
        (9000, "x" * 2000 + "\n… 5000 characters …\n" + "x" * 2000),
    ],
)
def test_a_sentence_has_room_for_4000_characters(size: int, said: str) -> None:
    assert line(msg="x" * size)["event"] == said


def test_a_traceback_has_room_for_16000_characters() -> None:
    try:
        dict[str, str]()["x" * 20_000 + "end"]
    except KeyError:
        caught = sys.exc_info()
    said = line(exc_info=caught)["exception"]
    assert log_formatter("console").format(record(exc_info=caught)).endswith(f"\n{said}")
    head, rest = said.split("\n… ", 1)
    gap, tail = rest.split(" …\n", 1)
    assert (len(head), gap.endswith(" characters"), len(tail)) == (8000, True, 8000)
    assert (head.startswith("Traceback"), tail.endswith("end'")) == (True, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n\tb é ~", "a\n\tb é ~"),
        ("\x1b[2J\x7f\x80\x9f", r"\x1b[2J\x7f\x80\x9f"),
        ("\u200b\u200f\u2028\u202e\u2066\u2069", r"\u200b\u200f\u2028\u202e\u2066\u2069"),
        ("\ud800\udfff", r"\ud800\udfff"),
        ("\u00a0\u200a\u2010\ud7ff\ue000😀", "\u00a0\u200a\u2010\ud7ff\ue000😀"),
    ],
    ids=["plain", "control", "direction", "surrogates", "letters"],
)
def test_what_steers_a_terminal_or_a_reader_is_escaped(text: str, said: str) -> None:
    assert line(msg=text)["event"] == said
