"""The bounds of a store: what all blobs may take together, and those of one tenant."""

from __future__ import annotations

from config import format_bytes
from sandbox.errors import BlobsFull

__all__ = ["check_bounds", "full"]


def check_bounds(bounds: tuple[int, int], all_bytes: int, own_bytes: int) -> None:
    """Raise BlobsFull if all blobs, or the tenant's own, take more than they may. Bounds of 0 are none."""
    for is_tenants, used in ((False, all_bytes), (True, own_bytes)):
        if 0 < bounds[is_tenants] < used:
            raise full(bounds, of_tenant=is_tenants)


def full(bounds: tuple[int, int], *, of_tenant: bool) -> BlobsFull:
    """The error. `bounds` are the bytes that all blobs and those of one tenant may take."""
    whose = "this tenant's" if of_tenant else "all"
    variable = "CELLBLOCK_TENANT_BLOBS_LIMIT" if of_tenant else "CELLBLOCK_BLOBS_LIMIT"
    return BlobsFull(
        f"With this, {whose} blobs would take more than the {format_bytes(bounds[of_tenant])} that the"
        f" operator allows ({variable}). Try: remove blobs, or wait until they expire."
    )
