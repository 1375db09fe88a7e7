"""Chooses the runtime of a job, and gives the reason."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.quoting import is_word, named, quoted
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Catalogue, Runtime

__all__ = ["Choice", "choose_runtime"]

_DEFAULT = "bash"


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, and the reason why it is this one."""

    runtime: Runtime
    reason: str


def choose_runtime(name: object, files: Mapping[str, bytes], catalogue: Catalogue) -> Choice:
    """The runtime called `name`, else the one that owns the files: by extension, shebang or name; else bash.

    The same files give the same answer, whatever their order.

    Raises:
        InvalidJob: there is no such runtime, or the files belong to several.
    """
    if name is not None:
        return Choice(_named(name, catalogue), "the job names it")
    for evidence in (_by_extension, _by_shebang, _by_name):
        owners: dict[str, str] = {}
        for path in sorted(files):
            for owner, reason in evidence(path, files[path], catalogue):
                owners.setdefault(owner, reason)
        if len(owners) > 1:
            shown = "; ".join(f"{owner} ({owners[owner]})" for owner in sorted(owners))
            raise InvalidJob(f"The files fit several runtimes: {shown}. Name the one that is meant.")
        for owner, reason in owners.items():
            return Choice(catalogue[owner], reason)
    return Choice(_named(_DEFAULT, catalogue), "no file shows the runtime, so it is the default")


def _named(name: object, catalogue: Catalogue) -> Runtime:
    if isinstance(name, str) and name in catalogue:
        return catalogue[name]
    known = f"There are: {', '.join(sorted(catalogue))}."
    if not name or isinstance(name, int | float) or is_word(name):
        raise InvalidJob(f"There is no runtime {quoted(name)}. {known}")
    # A caller that swapped the arguments has put the command here. No message may show a command.
    raise InvalidJob(f"runtime: this is not the name of a runtime; is it the command? {known}")


def _by_extension(path: str, _: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    ending = posixpath.splitext(path)[1]
    for name, runtime in catalogue.items():
        if ending in runtime.extensions:
            yield name, f"{named(path)} ends in {ending}"


def _by_shebang(path: str, content: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    interpreter = _interpreter(content)
    for name, runtime in catalogue.items():
        if interpreter in runtime.shebangs:
            yield name, f"{named(path)} starts with #! and {interpreter}"


def _by_name(path: str, _: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for name, runtime in catalogue.items():
        if posixpath.basename(path) in runtime.names:
            yield name, f"{named(path)} is a file of its kind"


def _interpreter(content: bytes) -> str:
    """The program that a `#!` line names, directly or after `env`; "" if there is none."""
    if not content.startswith(b"#!"):
        return ""
    words = content[2:256].split(b"\n")[0].decode("utf-8", "replace").split()
    names = [posixpath.basename(word) for word in words if not word.startswith("-")]
    return next((name for name in names if name != "env"), "")
