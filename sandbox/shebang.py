"""Reads the first line of a script, which names its interpreter."""

from __future__ import annotations

import posixpath

__all__ = ["interpreter", "options"]


def interpreter(content: bytes) -> str:
    """The program that a `#!` line names, directly or after `env`; "" if there is none."""
    names = [posixpath.basename(word) for word in _words(content) if not word.startswith("-")]
    return next((name for name in names if name != "env"), "")


def options(content: bytes) -> list[str]:
    """The options behind the interpreter on that line."""
    words = _words(content)
    names = [posixpath.basename(word) for word in words]
    name = interpreter(content)
    return words[names.index(name) + 1 :] if name in names else []


def _words(content: bytes) -> list[str]:
    if not content.startswith(b"#!"):
        return []
    return content[2:256].split(b"\n")[0].decode("utf-8", "replace").split()
