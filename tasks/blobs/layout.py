"""How blobs lie in Redis: each is a hash of its pieces; lists say what expires, and what takes how much."""

from __future__ import annotations

__all__ = ["LISTS", "PIECE_BYTES", "UNFINISHED_MS", "entry_of", "kept_ms", "key_of"]

#: With what Redis adds to it, a piece fits into a class of its allocator, whose next one is a quarter larger.
PIECE_BYTES = (1 << 18) - 64
#: How long the pieces of a writer that is gone are kept after its last one.
UNFINISHED_MS = 600_000
#: The keys that all scripts get first.
LISTS = ("cellblock.blobs:expiry", "cellblock.blobs:bytes", "cellblock.blobs:use")


def entry_of(tenant: str, name: str) -> str:
    """The entry of a tenant's blob, or of one of its writers, in the lists."""
    return f"{tenant}:{name.removeprefix('sha256:')}"


def key_of(tenant: str, name: str) -> str:
    """The key of its pieces."""
    return f"cellblock.blob:{entry_of(tenant, name)}"


def kept_ms(expires_s: float) -> int:
    """For how many milliseconds a blob is kept. Redis takes no zero."""
    return max(1, round(expires_s * 1000))
