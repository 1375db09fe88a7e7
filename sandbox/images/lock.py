"""Locks of the packages that a runtime adds: written beside the operator's catalogue, read by each build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sandbox.errors import ImageBuildFailed
from sandbox.images.library import Library
from sandbox.images.npm_packages import lock_modules, wanted_modules
from sandbox.images.pip_packages import lock_wheels

if TYPE_CHECKING:
    from config import Runtime
    from sandbox.images.library import Target

__all__ = ["MANAGERS", "lock_packages", "lock_path", "locked"]

Manager = Literal["pip", "npm"]
MANAGERS: Final[tuple[Manager, ...]] = ("pip", "npm")
_HEAD: Final = "# Made by: cellblock images lock {name}\n# packages: {wanted}\n"


def lock_path(folder: Path, name: str, manager: Manager) -> Path:
    """Where the lock of the runtime called `name` is, beside the catalogue in `folder`."""
    return folder / f"{name}.{manager}.lock"


def lock_packages(runtime: Runtime, target: Target, folder: Path, cache: Path) -> list[Path]:
    """Pin the newest packages that the runtime allows. Returns the locks that were written.

    Raises ImageBuildFailed if packages are not to be had, or if a lock cannot be written.
    """
    written = []
    for manager in MANAGERS:
        if wanted := getattr(runtime.packages, manager):
            path = lock_path(folder, runtime.name, manager)
            if manager == "pip":
                head = _HEAD.format(name=runtime.name, wanted=", ".join(wanted))
                _write(path, head + lock_wheels(wanted, target, cache))
            else:
                _write(path, lock_modules(wanted, target, cache))
            written.append(path)
    return written


def locked(runtime: Runtime, folder: Path) -> tuple[Library, ...]:
    """The runtime's packages as its locks pin them.

    Raises ImageBuildFailed if a lock is missing, or was made for other packages than the catalogue names.
    """
    return tuple(
        _library(runtime, manager, lock_path(folder, runtime.name, manager))
        for manager in MANAGERS
        if getattr(runtime.packages, manager)
    )


def _library(runtime: Runtime, manager: Manager, path: Path) -> Library:
    mend = f"run: cellblock images lock {runtime.name}"
    try:
        text = path.read_text()
    except OSError as error:
        raise ImageBuildFailed(f"There is no lock {path} ({error.strerror}); {mend}.") from error
    if not _is_for(manager, getattr(runtime.packages, manager), text):
        raise ImageBuildFailed(f"{path} is for other packages than the catalogue names; {mend}.")
    return Library(manager, text)


def _is_for(manager: Manager, wanted: tuple[str, ...], text: str) -> bool:
    if manager == "pip":
        return f"\n# packages: {', '.join(wanted)}\n" in text
    try:
        return bool(json.loads(text)["packages"][""]["dependencies"] == wanted_modules(wanted))
    except (ValueError, LookupError, TypeError):
        return False


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_text(text)
        fresh.replace(path)
    except OSError as error:
        raise ImageBuildFailed(
            f"{path} cannot be written ({error.strerror}); see that the catalogue's folder is yours."
        ) from error
