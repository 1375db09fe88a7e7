"""Finds the supervisor's marks in a stream that the job writes to as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MarkScanner"]


class MarkScanner:
    """Splits one stream into what the job wrote and the supervisor's marks.

    A mark is a NUL, one of the nonces, words, and a newline. All nonces have the same length. Of what the job
    writes, the scanner holds back only a tail that might be the beginning of a mark.
    """

    def __init__(self, *nonces: str) -> None:
        self._held = b""
        self.expect(*nonces)

    def expect(self, *nonces: str) -> None:
        """From now on marks have these nonces; if called during a `feed`, from its next piece on."""
        self._tokens = [b"\0" + nonce.encode() for nonce in nonces]

    def feed(self, data: bytes) -> Iterator[bytes | list[str]]:
        """The next pieces of the stream in order: output as bytes, a mark as its words."""
        data = self._held + data
        self._held = b""
        while (start := self._next(data)) >= 0 and (end := data.find(b"\n", start)) >= 0:
            if start:
                yield data[:start]
                data = data[start:]
                continue
            words = data[len(self._tokens[0]) : end].decode("ascii", "replace").split()
            data = data[end + 1 :]
            if words:
                yield words
        cut = start if start >= 0 else self._possible_start(data)
        self._held = data[cut:]
        if cut:
            yield data[:cut]

    def flush(self) -> bytes:
        """What was held back. It is output, because the stream has ended."""
        held, self._held = self._held, b""
        return held

    def _next(self, data: bytes) -> int:
        """Where the first whole nonce begins; -1: there is none."""
        found = [at for token in self._tokens if (at := data.find(token)) >= 0]
        return min(found, default=-1)

    def _possible_start(self, data: bytes) -> int:
        length = len(self._tokens[0])
        last = data.rfind(b"\0", max(0, len(data) - length + 1))
        is_one = last >= 0 and any(token.startswith(data[last:]) for token in self._tokens)
        return last if is_one else len(data)
