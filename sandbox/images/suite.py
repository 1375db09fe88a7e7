"""The suite of Debian that a recipe names, on a machine that may have another one.

A mirror has all suites, and each suite's keys are in the keyring of the others. So the sources of a suite are
the machine's own, with another name in them.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

__all__ = ["foreign", "sources_for"]

_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Names that a source can have in place of a suite's own name.
_ALIASES: Final = {"stable", "oldstable"}


def foreign(suite: str | None) -> str | None:
    """`suite`, if this machine is a Debian of another suite. Any other machine has its own packages only."""
    machine = platform.freedesktop_os_release()
    if machine.get("ID") != "debian" or suite == machine.get("VERSION_CODENAME"):
        return None
    return suite


def sources_for(suite: str, targets: str) -> str:
    """The sources of `suite` in apt's format deb822; empty if none of the machine's is one of Debian.

    `targets` has a line for each of the machine's: the URI, the name in it, and the component.
    """
    known = _ALIASES | {platform.freedesktop_os_release().get("VERSION_CODENAME", "")}
    found: dict[tuple[str, str, str], None] = {}
    for uri, release, component in (line.split() for line in targets.splitlines()):
        name, dash, rest = release.partition("-")
        if name in known:
            found[uri, f"{suite}{dash}{rest}", component] = None
    return "\n".join(_source(*one) for one in found)


def _source(uri: str, release: str, component: str) -> str:
    signed = f"Signed-By: {_KEYRING}\n" if _KEYRING.exists() else ""
    return f"Types: deb\nURIs: {uri}\nSuites: {release}\nComponents: {component}\n{signed}"
