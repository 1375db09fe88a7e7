"""Where a tenant's blobs lie, in a folder or in a bucket."""

from __future__ import annotations

__all__ = ["folder_of"]


def folder_of(tenant: str) -> str:
    """The name of a tenant's folder. It is never `.`, `..` or another's, whatever the tenant is called."""
    return f"tenant-{tenant}" if tenant else "no-tenant"
