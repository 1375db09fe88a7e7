"""Which runtime a job means that names none, and what it runs when it names no command."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config import Catalogue, Runtime

__all__ = ["choose_runtime", "default_command"]


def choose_runtime(name: object, files: Mapping[str, bytes], catalogue: Catalogue) -> Runtime:
    """The runtime called `name`, else the one that owns the files by extension, then by shebang, else bash.

    Raises:
        InvalidJob: no such runtime, or files of several.
    """
    if name is None:
        owners = _owners_by_extension(files, catalogue) or _owners_by_shebang(files, catalogue) or {"bash"}
        if len(owners) > 1:
            raise InvalidJob(f"The files belong to several runtimes: {', '.join(sorted(owners))}. Name one.")
        name = next(iter(owners))
    if not isinstance(name, str) or name not in catalogue:
        raise InvalidJob(f"There is no runtime {name!r}. There are: {', '.join(sorted(catalogue))}.")
    return catalogue[name]


def default_command(runtime: Runtime, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The argv that starts `files` when the job gives no command.

    Raises:
        InvalidJob: when no file is one that the runtime starts with.
    """
    for pattern in runtime.entry:
        for path in sorted(files):
            if fnmatchcase(path, pattern):
                return tuple(part.replace("{entry}", path) for part in runtime.run)
    raise InvalidJob(
        f"With no cmd, the runtime {runtime.name!r} needs one of {', '.join(runtime.entry)} in files."
    )


def _owners_by_extension(files: Mapping[str, bytes], catalogue: Catalogue) -> set[str]:
    endings = {posixpath.splitext(path)[1] for path in files}
    return {name for name, runtime in catalogue.items() if endings & set(runtime.extensions)}


def _owners_by_shebang(files: Mapping[str, bytes], catalogue: Catalogue) -> set[str]:
    interpreters = {_interpreter(content) for content in files.values()}
    return {name for name, runtime in catalogue.items() if interpreters & set(runtime.shebangs)}


def _interpreter(content: bytes) -> str:
    """The program that a `#!` line names, also behind `env`; "" without one."""
    if not content.startswith(b"#!"):
        return ""
    words = content[2:256].split(b"\n")[0].decode("utf-8", "replace").split()
    names = [posixpath.basename(word) for word in words if not word.startswith("-")]
    return next((name for name in names if name != "env"), "")
