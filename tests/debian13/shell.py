"""Runs programs of this host, and keeps their results in the user's cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

__all__ = ["ROOT", "CannotRun", "command", "kept"]

ROOT = Path(__file__).parents[2]


class CannotRun(RuntimeError):
    """The machine can't be made or started. The message says why."""


def command(*argv: str | Path, input_text: str | None = None) -> str:
    """Run a program. Returns its standard output.

    Raises:
        CannotRun: the program is missing or has failed. The message has the end of its output.
    """
    try:
        done = subprocess.run(
            argv, cwd=ROOT, input=input_text, capture_output=True, text=True, errors="replace", check=True
        )
    except FileNotFoundError as error:
        raise CannotRun(f"{argv[0]} is missing. Try: make debian13, as root on Debian or Ubuntu") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()[-8:]
        raise CannotRun("\n".join([f"{argv[0]} failed:", *said])) from error
    return done.stdout


def kept(name: str, made_from: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` in the user's cache. It is made again when `made_from` has changed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cellblock" / "debian13"
    folder = base / f"{name}-{sha256(made_from.encode()).hexdigest()[:16]}"
    if folder.exists():
        return folder
    base.mkdir(parents=True, exist_ok=True)
    for old in base.glob(f"{name}-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=base, prefix="new-") as scratch:
        make(Path(scratch))
        # With the rename the folder is either complete or missing.
        Path(scratch).chmod(0o755)
        Path(scratch).rename(folder)
        Path(scratch).mkdir()
    return folder
