"""What the package lists say about packages, and which of the packages are needed."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.images.package import Package

__all__ = ["Stanza", "needed", "parse_stanzas"]

_NAME: Final = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)")


@dataclass(frozen=True)
class Stanza:
    """A package, the names that it provides, and the names that it depends on (alternatives included)."""

    package: Package
    names: frozenset[str]
    depends: frozenset[str]


def parse_stanzas(output: str) -> Iterator[Stanza]:
    """The stanzas in the output of `apt-cache show`."""
    for paragraph in output.split("\n\n"):
        pairs = (line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" "))
        found = {key: value for key, _, value in pairs}
        if {"Package", "Version", "Architecture", "SHA256"} <= found.keys():
            yield _stanza(found)


def needed(
    stanzas: Iterable[Stanza],
    wanted: Sequence[str],
    exclude: Sequence[str],
    ignore: Mapping[str, Sequence[str]],
) -> tuple[Package, ...]:
    """The wanted packages and all that they depend on, by name.

    Packages that a glob in `exclude` matches are left out, and so are those that only they depend on.
    `ignore` has such globs for the dependencies of single packages.
    """
    left = [stanza for stanza in stanzas if not _excluded(stanza.package.name, exclude)]
    reached: set[Package] = set()
    names = set(wanted)
    while found := {stanza for stanza in left if stanza.names & names}:
        left = [stanza for stanza in left if stanza not in found]
        reached |= {stanza.package for stanza in found}
        names = {
            name
            for stanza in found
            for name in stanza.depends
            if not _excluded(name, ignore.get(stanza.package.name, ()))
        }
    return tuple(sorted(reached))


def _stanza(found: dict[str, str]) -> Stanza:
    name = found["Package"]
    package = Package(
        name, found["Version"], found["Architecture"], found.get("Source", name), found["SHA256"]
    )
    depends = _names(f"{found.get('Pre-Depends', '')},{found.get('Depends', '')}")
    return Stanza(package, _names(f"{name},{found.get('Provides', '')}"), depends)


def _names(relations: str) -> frozenset[str]:
    return frozenset(_NAME.findall(relations))


def _excluded(name: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in exclude)
