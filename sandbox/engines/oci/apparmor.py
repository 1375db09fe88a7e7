"""The AppArmor profile of cells, on a host whose operator has loaded it: deploy/apparmor."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["PROFILE", "is_enabled", "loaded_profile"]

PROFILE = "cellblock-cell"

_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
_LOADED = Path("/sys/kernel/security/apparmor/profiles")


def is_enabled(parameter: Path = _ENABLED) -> bool:
    """Whether the host's kernel has AppArmor, and uses it."""
    try:
        return parameter.read_text().strip() == "Y"
    except OSError:
        return False


@cache
def loaded_profile(listing: Path = _LOADED) -> str | None:
    """The name of the profile if the kernel enforces it; None also where only root may see the list."""
    try:
        lines = listing.read_text().splitlines()
    except OSError:
        return None
    return PROFILE if f"{PROFILE} (enforce)" in lines else None
