"""Commands to Redis: a long argument is not copied."""

from __future__ import annotations

import pytest

from tasks.results.packing import CommandPacker

LONG = bytearray(b"x" * (2 << 20))


def test_a_long_argument_is_sent_as_it_is() -> None:
    assert any(piece is LONG for piece in CommandPacker().pack("SET", "key", LONG, 5))


@pytest.mark.parametrize("more", [[], ["EX", 60, 1.5, b"\0"]])
def test_long_and_short_commands_are_packed_alike(more: list[object]) -> None:
    pack = CommandPacker().pack

    assert b"".join(pack("SET", "a", LONG, *more)).replace(LONG, b"x").replace(
        b"$2097152", b"$1"
    ) == b"".join(pack("SET", "a", "x", *more))
