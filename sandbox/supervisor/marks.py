"""Finds the supervisor's words in a stream that the job writes to as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MarkScanner"]


class MarkScanner:
    """Splits one stream into what the job wrote and the supervisor's lines behind the nonce.

    Nothing that the job writes is held back but a tail that might be the beginning of a mark.
    """

    def __init__(self, nonce: str) -> None:
        self._held = b""
        self.expect(nonce)

    def expect(self, nonce: str) -> None:
        """From here on marks lie behind another nonce; within a `feed`, from its next piece on."""
        self._token = b"\0" + nonce.encode()

    def feed(self, data: bytes) -> Iterator[bytes | list[str]]:
        """The next pieces of the stream in order: output as bytes, a mark as its words."""
        data = self._held + data
        self._held = b""
        while (start := data.find(self._token)) >= 0 and (end := data.find(b"\n", start)) >= 0:
            if start:
                yield data[:start]
            words = data[start + len(self._token) : end].decode("ascii", "replace").split()
            data = data[end + 1 :]
            if words:
                yield words
        cut = start if start >= 0 else self._possible_start(data)
        self._held = data[cut:]
        if cut:
            yield data[:cut]

    def flush(self) -> bytes:
        """What was held back: output after all, now that the stream has ended."""
        held, self._held = self._held, b""
        return held

    def _possible_start(self, data: bytes) -> int:
        last = data.rfind(b"\0", max(0, len(data) - len(self._token) + 1))
        return last if last >= 0 and self._token.startswith(data[last:]) else len(data)
