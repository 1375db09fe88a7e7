# Made by `python docs/generate.py` from tasks/live/read/reply.py. Change it there.
"""What Redis answers to XREAD and XRANGE."""

from __future__ import annotations

from typing import Any

__all__ = ["COUNT", "Entries", "entries_in", "entries_of"]

#: Entries with their ids, as bytes.
Entries = list[tuple[bytes, dict[bytes, bytes]]]

#: The most entries in one reply: a megabyte at most, however far behind a follower is.
COUNT = 64


def entries_in(reply: Any) -> Entries:  # noqa: ANN401  depends on the protocol
    """The entries of the one stream in a reply to XREAD, which is in RESP2 or RESP3."""
    if not reply:
        return []
    if isinstance(reply, dict):
        ((batch,),) = reply.values()
        return entries_of(batch)
    return entries_of(reply[0][1])


def entries_of(batch: Any) -> Entries:  # noqa: ANN401  redis-py knows nothing more
    """The entries in a reply to XRANGE."""
    return list(batch)
