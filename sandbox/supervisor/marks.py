"""Finds the supervisor's words in a stream that the job writes to as well."""

from __future__ import annotations

__all__ = ["MarkScanner"]


class MarkScanner:
    """Splits one stream into what the job wrote and the supervisor's lines behind the nonce.

    Nothing that the job writes is held back but a tail that might be the beginning of a mark.
    """

    def __init__(self, nonce: str) -> None:
        self._token = b"\0" + nonce.encode()
        self._held = b""

    def feed(self, data: bytes) -> list[bytes | list[str]]:
        """The next pieces of the stream in order: output as bytes, a mark as its words."""
        data = self._held + data
        pieces: list[bytes | list[str]] = []
        while (start := data.find(self._token)) >= 0 and (end := data.find(b"\n", start)) >= 0:
            pieces += [data[:start], data[start + len(self._token) : end].decode("ascii", "replace").split()]
            data = data[end + 1 :]
        cut = start if start >= 0 else self._possible_start(data)
        self._held = data[cut:]
        return [piece for piece in (*pieces, data[:cut]) if piece]

    def flush(self) -> bytes:
        """What was held back: output after all, now that the stream has ended."""
        held, self._held = self._held, b""
        return held

    def _possible_start(self, data: bytes) -> int:
        last = data.rfind(b"\0", max(0, len(data) - len(self._token) + 1))
        return last if last >= 0 and self._token.startswith(data[last:]) else len(data)
