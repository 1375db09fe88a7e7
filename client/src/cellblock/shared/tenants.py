# Made by `python docs/generate.py` from config/tenants.py. Change it there.
"""The names and weights of tenants."""

from __future__ import annotations

import re

__all__ = ["is_tenant"]

_TENANT = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def is_tenant(name: object) -> bool:
    """Whether this may be a tenant's name: 1 to 64 of the characters `A-Za-z0-9._@-`."""
    return isinstance(name, str) and bool(_TENANT.fullmatch(name))
