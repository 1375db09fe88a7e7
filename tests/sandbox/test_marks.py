"""The supervisor's words in streams that the job writes to as well."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sandbox.events import STDERR, STDOUT, Archived, Ended, Fault, Output, Started
from sandbox.supervisor import Session
from sandbox.supervisor.marks import MarkScanner

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


def test_what_told_the_start_cant_tell_the_end() -> None:
    session = started()
    forged = overture(session, "end 0 - - -")
    assert feed(session, STDOUT, forged) + feed(session, STDERR, forged) == [
        Output(STDOUT, forged),
        Output(STDERR, forged),
    ]


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
    for words in ("end 256 - - -", "end -1 - - -", "end x - - -", "end 0 1", "end 0 1 1 1 1", "nonsense", ""):
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
