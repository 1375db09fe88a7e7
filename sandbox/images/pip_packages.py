"""Packages of Python: uv chooses wheels, fetches and unpacks them. Nothing of them is built or run."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.images.library import Target

__all__ = ["install_wheels", "lock_wheels"]

_SECONDS: Final = 600
_ADVICE: Final = "correct `packages`, or see that uv reaches its index (UV_DEFAULT_INDEX names another one)"
# How uv starts a program: with the interpreter's path, or through a shell if that path is long.
_START: Final = re.compile(rb"\A#!.*python[^\n]*\n|\A#!/bin/sh\n'''exec' [^\n]*\n' '''\n")


def lock_wheels(wanted: Sequence[str], target: Target, cache: Path) -> str:
    """The newest wheels that `wanted` allows, and all that they need, each with its hashes.

    Raises ImageBuildFailed if a package has no wheel for `target`, or if the index does not answer.
    """
    listed = cache / "wanted.txt"
    listed.write_text("\n".join(wanted))
    argv = _uv("compile", target, cache)
    # The lock names no index, so that it is right wherever packages come from.
    argv += ["--only-binary", ":all:", "--generate-hashes", "--no-annotate"]
    return output_of([*argv, "--no-header", str(listed)], timeout=_SECONDS, advice=_ADVICE)


def install_wheels(lock: str, target: Target, site: Path, programs: Path, cache: Path) -> None:
    """Unpack the wheels of the lock into `site`, and the programs that they bring into `programs`.

    Wheels that were fetched before are taken from `cache`, with no network. Raises ImageBuildFailed if one is
    not to be had, or is not the one in the lock.
    """
    locked = site.parent / "locked.txt"
    locked.write_text(lock)
    argv = [*_uv("install", target, cache), "--target", str(site), "--require-hashes", "--no-deps"]
    argv += ["--only-binary", ":all:", "--link-mode", "copy", "--requirement", str(locked)]
    try:
        output_of([*argv, "--offline"], timeout=_SECONDS, advice=_ADVICE)
    except ImageBuildFailed:
        output_of(argv, timeout=_SECONDS, advice=_ADVICE)
    locked.unlink()
    (site / ".lock").unlink(missing_ok=True)
    _move_programs(site / "bin", programs)


def _move_programs(folder: Path, programs: Path) -> None:
    """Let the programs start with the image's Python: uv names the one of this machine."""
    if not folder.is_dir():
        return
    programs.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder, programs)
    for path in programs.iterdir():
        text = path.read_bytes()
        path.write_bytes(_START.sub(b"#!/usr/bin/python3\n", text, count=1))


def _uv(action: str, target: Target, cache: Path) -> list[str]:
    return [
        *(_program(), "pip", action, "--quiet", "--python", sys.executable),
        *("--python-version", target.python, "--python-platform", target.uv_platform),
        *("--cache-dir", str(cache)),
    ]


def _program() -> str:
    """The uv beside this interpreter, or else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if found is None:
        raise ImageBuildFailed("uv is not on this machine; run: pip install 'cellblock[packages]'.")
    return found
