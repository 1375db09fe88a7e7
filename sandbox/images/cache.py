"""The folder where downloads and package lists stay between builds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ImageBuildFailed

__all__ = ["Cache"]


@dataclass(frozen=True)
class Cache:
    """A folder whose whole content can be fetched again. So it may be deleted at any time."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """`cellblock/images` in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`)."""
        base = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(base) if base else Path.home() / ".cache") / "cellblock" / "images")

    def folder(self, name: str) -> Path:
        """A subfolder, made if it is missing; raises ImageBuildFailed if it cannot be."""
        folder = self.root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageBuildFailed(
                f"{folder} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a folder that is yours."
            ) from error
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Allow one build at a time per cache. The lock ends with the process that holds it."""
        with (self.folder(".") / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
