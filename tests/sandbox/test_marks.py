"""The supervisor's messages in the two output streams, to which the job writes too."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.events import STDERR, STDOUT, Archived, Ended, Fault, Output, Started, Usage
from sandbox.supervisor import Session
from sandbox.supervisor.marks import MarkScanner

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

NONCE = "0123456789abcdef"
MARK = b"\0" + NONCE.encode()

output = st.lists(st.sampled_from([b"\0", b"\n", b"0", MARK[:5], b"end 0 1 1 0", b"x"]), max_size=10).map(
    b"".join
)
cuts = st.lists(st.integers(0, 200), max_size=12)


def scan(data: bytes, places: list[int]) -> list[bytes | list[str]]:
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    scanner = MarkScanner(NONCE)
    pieces = [piece for start, end in pairwise(edges) for piece in scanner.feed(data[start:end])]
    return [*pieces, scanner.flush()]


def output_of(pieces: list[bytes | list[str]]) -> bytes:
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def marks_of(pieces: list[bytes | list[str]]) -> list[list[str]]:
    return [piece for piece in pieces if isinstance(piece, list)]


@given(output, cuts)
def test_output_with_no_nonce_passes_whole_whatever_it_imitates(data: bytes, places: list[int]) -> None:
    pieces = scan(data, places)
    assert (output_of(pieces), marks_of(pieces)) == (data, [])


@given(output, output, cuts)
def test_a_mark_is_found_however_the_stream_is_cut(before: bytes, after: bytes, places: list[int]) -> None:
    pieces = scan(before + MARK + b" end 0 - - -\n" + after, places)
    assert output_of(pieces) == before + after
    assert marks_of(pieces) == [["end", "0", "-", "-", "-"]]


def test_ordinary_output_is_not_held_back() -> None:
    assert list(MarkScanner(NONCE).feed(b"progress 1%")) == [b"progress 1%"]


def mark(session: Session, words: str) -> bytes:
    return f"\0{session._nonce} {words}\n".encode()


def overture(session: Session, words: str) -> bytes:
    return f"\0{session._overture} {words}\n".encode()


def started(cpu_ns: str = "-") -> Session:
    session = Session()
    assert feed(session, STDOUT, overture(session, f"start {cpu_ns}")) == [Started()]
    return session


def feed(session: Session, stream: int, data: bytes) -> list[object]:
    return list(session.feed(stream, data))


def test_the_end_comes_once_both_streams_have_said_so() -> None:
    session = started()
    assert feed(session, STDERR, mark(session, "end")) == []
    (ended,) = feed(session, STDOUT, b"last" + mark(session, "end 3 - 4096 0"))[1:]
    assert isinstance(ended, Ended)
    assert (ended.exit_code, ended.usage.peak_bytes, ended.usage.oom_kills) == (3, 4096, 0)


def test_the_job_is_charged_from_its_start() -> None:
    session = started("1000")
    feed(session, STDERR, mark(session, "end"))
    (ended,) = feed(session, STDOUT, mark(session, "end 0 5000 - -"))
    assert isinstance(ended, Ended)
    assert ended.usage.cpu_ns == 4000


def test_a_session_has_a_nonce_of_its_own() -> None:
    one, other = started(), started()
    assert feed(one, STDOUT, mark(other, "end 0 - - -")) == [Output(STDOUT, mark(other, "end 0 - - -"))]


def test_nobody_guesses_a_nonce_which_has_128_bits() -> None:
    session = Session()
    assert len(bytes.fromhex(session._nonce)) == len(bytes.fromhex(session._overture)) == 16
    assert session._nonce != session._overture


def test_what_told_the_start_cant_tell_the_end() -> None:
    session = started()
    forged = overture(session, "end 0 - - -")
    assert feed(session, STDOUT, forged) + feed(session, STDERR, forged) == [
        Output(STDOUT, forged),
        Output(STDERR, forged),
    ]


def test_a_start_that_the_job_took_out_of_the_pipe_hides_no_end() -> None:
    session = Session()
    assert feed(session, STDERR, mark(session, "end")) == []
    output, ended = feed(session, STDOUT, b"art - -\n" + mark(session, "end 7 - - -"))
    assert (output, isinstance(ended, Ended)) == (Output(STDOUT, b"art - -\n"), True)


def test_a_start_that_the_job_took_out_of_the_pipe_cannot_be_put_back_behind_its_output() -> None:
    session = Session()
    late = overture(session, "start -")
    assert feed(session, STDOUT, b"x" + late) == [Output(STDOUT, b"x"), Output(STDOUT, late)]


def test_what_follows_the_start_at_once_is_looked_through_for_the_end() -> None:
    session = Session()
    feed(session, STDERR, mark(session, "end"))
    (begun, ended) = feed(session, STDOUT, overture(session, "start -") + mark(session, "end 7 - - -"))
    assert (begun, isinstance(ended, Ended)) == (Started(), True)


def test_start_and_fault_are_heard() -> None:
    session = Session()
    assert feed(session, STDERR, mark(session, "fault unpack")) == [Fault("unpack")]
    assert feed(session, STDOUT, overture(session, "start -")) == [Started()]


def test_malformed_reports_count_as_no_word_at_all() -> None:
    session = started()
    feed(session, STDERR, mark(session, "end"))
    for words in (
        "end 256 - - -",
        "end -1 - - -",
        "end x - - -",
        "end 0 1",
        "end 0 1 1 1 1",
        "end 0 1 1 1 x.10",
        "nonsense",
        "",
    ):
        assert feed(session, STDOUT, mark(session, words)) == []
        session._closed.discard(STDOUT)


def test_absurd_usage_is_unknown_usage() -> None:
    session = started()
    feed(session, STDERR, mark(session, "end"))
    (ended,) = feed(session, STDOUT, mark(session, f"end 0 {'9' * 30} -5 ²"))
    assert isinstance(ended, Ended)
    assert ended.usage.cpu_ns is ended.usage.peak_bytes is ended.usage.oom_kills is None


def test_what_follows_the_end_is_the_archive() -> None:
    session = started()
    feed(session, STDERR, mark(session, "end"))
    assert feed(session, STDOUT, mark(session, "end 0 - - -") + b"tar")[1:] == [Archived(b"tar")]
    assert feed(session, STDOUT, b"more") == [Archived(b"more")]


def test_what_was_held_back_is_output_when_the_cell_closes() -> None:
    session = Session()
    assert feed(session, STDOUT, b"\0") == []
    assert list(session.flush()) == [Output(STDOUT, b"\0")]


@given(output, cuts)
def test_the_archive_is_whole_however_the_stream_is_cut(archive: bytes, places: list[int]) -> None:
    session = started()
    data = mark(session, "end 0 - - -") + archive
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    events = [event for start, end in pairwise(edges) for event in feed(session, STDOUT, data[start:end])]
    assert b"".join(event.data for event in events if isinstance(event, Archived)) == archive


@pytest.mark.parametrize(
    ("start", "end", "lasted_s"),
    [
        ("start - 5.07", "end 0 - - - 7.10", 2.03),
        ("start - 5.07", "end 0 - - - 5.07", 0.0),
        ("start - 5.07", "end 0 - - - 4.00", None),
        ("start - 5.07", "end 0 - - - -", None),
        ("start - -", "end 0 - - - 7.10", None),
        ("start -", "end 0 - - -", None),
        ("start - 5.0.7", "end 0 - - - 7.10", None),
    ],
)
def test_the_cells_own_clock_tells_how_long_the_command_took(
    start: str, end: str, lasted_s: float | None
) -> None:
    session = Session()
    feed(session, STDERR, mark(session, "end"))
    (_, ended) = feed(session, STDOUT, overture(session, start) + mark(session, end))
    assert isinstance(ended, Ended)
    assert ended.lasted_s == lasted_s


def test_a_session_tells_its_orders_both_of_its_nonces(parse: Parse) -> None:
    session = Session()
    words = b"".join(session.orders(parse("true"))).split(b"\n", 1)[0].decode().split()
    assert words[:2] == [session._overture, session._nonce]
    assert (len(words[0]), len(words[1]), words[0] != words[1]) == (32, 32, True)


def ended(start: str, end: str) -> Ended | None:
    session = Session()
    feed(session, STDERR, mark(session, "end"))
    events = feed(session, STDOUT, overture(session, start) + mark(session, end))
    return next((event for event in events if isinstance(event, Ended)), None)


@pytest.mark.parametrize(
    ("start", "end", "usage"),
    [
        ("start 5", "end 0 5 0 0", Usage(0, 0, 0)),
        ("start 9", "end 0 5 0 0", Usage(0, 0, 0)),
        ("start -", "end 0 5 7 1", Usage(5, 7, 1)),
        ("start 5", "end 0 - - -", Usage(None, None, None)),
        ("start 0", f"end 0 {'9' * 19} 1 1", Usage(10**19 - 1, 1, 1)),
        ("start 0", f"end 0 {'9' * 20} 1 1", Usage(None, 1, 1)),
    ],
)
def test_usage_is_what_grew_since_the_start_and_never_less_than_nothing(
    start: str, end: str, usage: Usage
) -> None:
    report = ended(start, end)
    assert report
    assert report.usage == usage


@pytest.mark.parametrize(
    ("words", "code"), [("end 255 - - -", 255), ("end 0 - - -", 0), ("end 256 - - -", None)]
)
def test_an_exit_code_is_a_byte(words: str, code: int | None) -> None:
    report = ended("start -", words)
    assert (report and report.exit_code) == code


@pytest.mark.parametrize(
    ("facts", "by_signal", "heap_full"),
    [("", False, False), ("signal", True, False), ("heap", False, True), ("signal heap", True, True)],
)
def test_a_report_says_what_else_the_supervisor_saw(facts: str, by_signal: bool, heap_full: bool) -> None:
    report = ended("start - 1.00", f"end 134 - - - 1.10 {facts}")
    assert report
    assert (report.by_signal, report.heap_full) == (by_signal, heap_full)


def test_a_report_with_facts_that_nobody_knows_is_none() -> None:
    assert ended("start - 1.00", "end 0 - - - 1.10 well") is None


@pytest.mark.parametrize("uptime", ["1.5", "1.555", "1", "x.10", ".10", "1.5a0"])
def test_a_report_with_no_time_of_proc_uptime_is_none(uptime: str) -> None:
    assert ended("start - 1.00", f"end 0 - - - {uptime}") is None


def test_what_comes_on_no_stream_or_behind_the_end_of_stderr_is_nothing() -> None:
    session = started()
    assert feed(session, 3, b"x") == []
    assert feed(session, STDERR, mark(session, "end") + b"late") == []
    assert feed(session, STDERR, b"later") == []
