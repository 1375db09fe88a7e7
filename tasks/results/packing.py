"""Packs the commands that a worker sends to Redis. A long argument is sent as it is, without a copy.

hiredis, which is quicker, copies each argument twice. A result of megabytes would take that much more memory.
"""

from __future__ import annotations

from typing import Any

from redis import connection

__all__ = ["CommandPacker"]

_LONG = 1 << 20

# redis-py's types know neither of the two.
_redis: Any = connection


class CommandPacker:
    """What redis-py calls a command packer."""

    def __init__(self) -> None:
        self._quick = _redis.HiredisRespSerializer()
        self._without_copies = _redis.PythonRespSerializer(_LONG, _encoded)

    def pack(self, *command: Any) -> list[bytes | bytearray]:  # noqa: ANN401  redis-py's own
        """The bytes to send, in pieces."""
        long = any(isinstance(part, str | bytes | bytearray) and len(part) > _LONG for part in command)
        pieces: list[bytes | bytearray] = (self._without_copies if long else self._quick).pack(*command)
        return pieces


def _encoded(part: str | bytes | bytearray | float) -> bytes | bytearray:
    return part if isinstance(part, bytes | bytearray) else str(part).encode()
