"""The AppArmor profile of cells, on a host whose operator has loaded it: deploy/apparmor."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["PROFILE", "is_enabled", "loaded_profile"]

PROFILE = "cellblock-cell"

_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
# A folder for each profile that is loaded. Unlike the listing beside it, every user may read it.
_LOADED = Path("/sys/kernel/security/apparmor/policy/profiles")


def is_enabled(parameter: Path = _ENABLED) -> bool:
    """Whether the host's kernel has AppArmor, and uses it."""
    return _says(parameter, "Y")


@cache
def loaded_profile(profiles: Path = _LOADED) -> str | None:
    """The name of the profile if the kernel enforces it; else None."""
    # The kernel adds a number to a folder's name.
    is_loaded = any(_is_enforced(folder) for folder in profiles.glob(f"{PROFILE}.*"))
    return PROFILE if is_loaded else None


def _is_enforced(folder: Path) -> bool:
    return _says(folder / "name", PROFILE) and _says(folder / "mode", "enforce")


def _says(file: Path, text: str) -> bool:
    try:
        return file.read_text().strip() == text
    except OSError:
        return False
