"""Chooses the runtime of a job, and gives the reason."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.quoting import is_word, named, quoted
from sandbox.errors import InvalidJob
from sandbox.shebang import interpreter

if TYPE_CHECKING:
    from config import Catalogue, Runtime

__all__ = ["Choice", "choose_runtime", "no_owner"]

_DEFAULT = "bash"
# What people call the file that starts, in any language.
_MAIN = {"main", "__main__", "app", "index", "program"}
# The most files that a message names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, and the reason why it is this one."""

    runtime: Runtime
    reason: str
    is_default: bool = False


def choose_runtime(name: object, files: Mapping[str, bytes], catalogue: Catalogue) -> Choice:
    """The runtime called `name`, else the one that owns the files: by extension, shebang or name; else bash.

    If several own files, the one counts that owns those in the highest folder, or a main file there.
    The same files give the same answer, whatever their order.

    Raises:
        InvalidJob: there is no such runtime, or the files belong to several.
    """
    if name is not None:
        return Choice(_named(name, catalogue), "the job names it")
    for evidence in (_by_extension, _by_shebang, _by_name):
        owned: dict[str, dict[str, str]] = {}
        for path in sorted(files):
            for owner, reason in evidence(path, files[path], catalogue):
                owned.setdefault(owner, {})[path] = reason
        owners = _foremost(owned)
        if len(owners) > 1:
            shown = "; ".join(f"{owner} ({_first(owners[owner])})" for owner in sorted(owners))
            raise InvalidJob(
                f"The files fit several runtimes: {shown}. Name the one that is meant, or the file as entry."
            )
        for owner, reasons in owners.items():
            return Choice(catalogue[owner], _first(reasons))
    return Choice(
        _named(_DEFAULT, catalogue), "no file shows the runtime, so it is the default", is_default=True
    )


def _foremost(owned: Mapping[str, dict[str, str]]) -> Mapping[str, dict[str, str]]:
    """The owners that come first: those with files in the highest folder, of these those with a main file."""
    if len(owned) < 2:
        return owned
    top = min(path.count("/") for reasons in owned.values() for path in reasons)
    high = {
        owner: {path: reason for path, reason in reasons.items() if path.count("/") == top}
        for owner, reasons in owned.items()
    }
    high = {owner: reasons for owner, reasons in high.items() if reasons}
    main = {owner: reasons for owner, reasons in high.items() if any(map(_is_main, reasons))}
    return main if len(main) == 1 else high


def _is_main(path: str) -> bool:
    return posixpath.splitext(posixpath.basename(path))[0].lower() in _MAIN


def _first(reasons: Mapping[str, str]) -> str:
    return next(iter(reasons.values()))


def no_owner(files: Mapping[str, bytes], catalogue: Catalogue) -> str:
    """The sentence for files that belong to no runtime, in a job without a command."""
    if not files:
        return "cmd: give a command, or files to run."
    shown = ", ".join(map(named, sorted(files)[:_NAMED])) + (", …" if len(files) > _NAMED else "")
    known = "; ".join(
        f"{name} ({' '.join(runtime.extensions)})"
        for name, runtime in sorted(catalogue.items())
        if runtime.extensions
    )
    return f"No runtime starts {shown}. There are: {known}. Name the runtime, or give a cmd."


def _named(name: object, catalogue: Catalogue) -> Runtime:
    if isinstance(name, str) and (found := catalogue.get(name) or _by_alias(name, catalogue)):
        return found
    known = f"There are: {', '.join(sorted(catalogue))}."
    if not name or isinstance(name, int | float) or is_word(name):
        raise InvalidJob(f"There is no runtime {quoted(name)}. {known}")
    # A caller that swapped the arguments has put the command here. No message may show a command.
    raise InvalidJob(f"runtime: this is not the name of a runtime; is it the command? {known}")


def _by_alias(name: str, catalogue: Catalogue) -> Runtime | None:
    """The runtime by another name that people use, such as "js"; upper and lower case are the same."""
    wanted = name.lower()
    return catalogue.get(wanted) or next(
        (runtime for runtime in catalogue.values() if wanted in runtime.aliases), None
    )


def _by_extension(path: str, _: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    ending = posixpath.splitext(path)[1].lower()
    for name, runtime in catalogue.items():
        if ending in runtime.extensions:
            yield name, f"{named(path)} ends in {ending}"


def _by_shebang(path: str, content: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    program = interpreter(content)
    for name, runtime in catalogue.items():
        if program in runtime.shebangs:
            yield name, f"{named(path)} starts with #! and {program}"


def _by_name(path: str, _: bytes, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for name, runtime in catalogue.items():
        if posixpath.basename(path) in runtime.names:
            yield name, f"{named(path)} is a file of its kind"
