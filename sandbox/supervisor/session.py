"""One job's exchange with the supervisor of its cell. It does not depend on what carries the streams."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sandbox.events import STDERR, STDOUT, Archived, Ended, Event, Fault, Output, Started, Usage
from sandbox.supervisor.marks import MarkScanner
from sandbox.supervisor.orders import Orders, encode_orders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.job import Job

__all__ = ["Session"]

_FACTS = {"signal", "heap"}


class Session:
    """Turns the two streams of a cell into events.

    `Ended` comes once both streams have carried the end mark, so that no output can come after it. A job
    that learns the nonce in spite of all can forge its own report and archive, and nothing else: the worker
    itself counts output, keeps the time limits, bounds the reported duration, and ignores malformed marks.

    The start mark has a nonce of its own, the overture. It lies in a pipe, where a quick job can read it and
    take it out. So a start mark counts only if nothing comes before it in the stream.
    """

    def __init__(self) -> None:
        self._overture, self._nonce = secrets.token_hex(16), secrets.token_hex(16)
        self._scanners = {
            STDOUT: MarkScanner(self._overture, self._nonce),
            STDERR: MarkScanner(self._nonce),
        }
        self._start_cpu_ns: int | None = None
        self._start_cs: int | None = None
        self._closed: set[int] = set()
        self._ending: Ended | None = None

    def orders(self, job: Job) -> Orders:
        """What to write to the supervisor's standard input."""
        return encode_orders(self._overture, self._nonce, job)

    def cpu_order(self, limit_ns: int) -> bytes:
        """The order to kill the job if it has used `limit_ns` of CPU time. Empty: the cell can't tell."""
        return b"" if self._start_cpu_ns is None else f"cpu {self._start_cpu_ns + limit_ns}\n".encode()

    def feed(self, stream: int, data: bytes) -> Iterator[Event]:
        """The events in the next bytes of a stream."""
        if stream not in self._scanners:
            return
        if stream in self._closed:
            yield from _archived(stream, data)
            return
        for piece in self._scanners[stream].feed(data):
            self._scanners[stream].expect(self._nonce)
            if stream in self._closed:
                yield from _archived(stream, piece)
            elif isinstance(piece, bytes):
                yield Output(stream, piece)
            else:
                yield from self._hear(stream, piece)
        if stream in self._closed:
            # No mark can follow the end. So what the scanner holds back belongs to the archive.
            yield from _archived(stream, self._scanners[stream].flush())

    def flush(self) -> Iterator[Event]:
        """What the scanners held back, for a cell that closed without an end mark."""
        for stream, scanner in self._scanners.items():
            if held := scanner.flush():
                yield Output(stream, held)

    def _hear(self, stream: int, words: list[str]) -> Iterator[Event]:
        match words:
            case ["start", cpu_ns, *uptime]:
                self._start_cpu_ns, self._start_cs = _count(cpu_ns), _hundredths(uptime)
                yield Started()
            case ["fault", reason]:
                yield Fault(reason)
            case ["end", *report]:
                self._closed.add(stream)
                self._ending = self._report(report) or self._ending
                if self._ending and len(self._closed) == len(self._scanners):
                    yield self._ending

    def _report(self, words: list[str]) -> Ended | None:
        facts = words[5:]
        if (
            len(words) < 4
            or not all(map(_is_uptime, words[4:5]))
            or not _FACTS.issuperset(facts)
            or (exit_code := _count(words[0])) is None
            or exit_code > 255
        ):
            return None
        cpu_ns, peak_bytes, oom_kills = map(_count, words[1:4])
        if cpu_ns is not None and self._start_cpu_ns is not None:
            cpu_ns = max(0, cpu_ns - self._start_cpu_ns)
        usage, lasted_s = Usage(cpu_ns, peak_bytes, oom_kills), self._lasted_s(words[4:5])
        return Ended(exit_code, usage, lasted_s, by_signal="signal" in facts, heap_full="heap" in facts)

    def _lasted_s(self, uptime: list[str]) -> float | None:
        end_cs = _hundredths(uptime)
        if end_cs is None or self._start_cs is None or end_cs < self._start_cs:
            return None
        return (end_cs - self._start_cs) / 100


def _archived(stream: int, piece: bytes | list[str]) -> Iterator[Event]:
    if stream == STDOUT and isinstance(piece, bytes) and piece:
        yield Archived(piece)


def _is_uptime(word: str) -> bool:
    """The first field of proc_uptime(5), such as "5123.07", or "-" if it could not be read."""
    whole, point, hundredths = word.partition(".")
    return word == "-" or (_count(whole) is not None and bool(point) and len(hundredths) == 2)


def _hundredths(uptime: list[str]) -> int | None:
    return _count(uptime[0].replace(".", "", 1)) if uptime and _is_uptime(uptime[0]) else None


def _count(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) < 20 else None
