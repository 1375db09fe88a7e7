# Made by `python docs/generate.py` from tasks/blobs/bounds.py. Change it there.
"""The bounds of a store: what all blobs may take together, and those of one tenant."""

from __future__ import annotations

from cellblock.shared.errors import BlobsFull
from cellblock.shared.units import format_bytes

__all__ = ["full"]


def full(bounds: tuple[int, int], *, of_tenant: bool) -> BlobsFull:
    """The error. `bounds` are the bytes that all blobs and those of one tenant may take."""
    whose = "this tenant's" if of_tenant else "all"
    variable = "CELLBLOCK_TENANT_BLOBS_LIMIT" if of_tenant else "CELLBLOCK_BLOBS_LIMIT"
    return BlobsFull(
        f"With this, {whose} blobs would take more than the {format_bytes(bounds[of_tenant])} that the"
        f" operator allows ({variable}). Try: remove blobs, or wait until they expire."
    )
