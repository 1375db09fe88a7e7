# Made by `python docs/generate.py` from sandbox/inputs.py. Change it there.
"""Reads the files and the variables of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from cellblock.shared.errors import InvalidJob
from cellblock.shared.payload import decode_file, decode_text, normalise_path
from cellblock.shared.quoting import quoted

__all__ = ["GivenFiles", "check_count", "read_env", "read_files"]

# Each variable takes a step in the worker's own event loop, and a pointer in the cell.
_MOST_VARIABLES = 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class GivenFiles(NamedTuple):
    """The files of a request, by their normalised paths: contents, and refs of contents."""

    contents: dict[str, bytes]
    refs: dict[str, str]


def read_files(files: object, where: str = "files") -> GivenFiles:
    """The files of a request. `where` names them there.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    given = _mapping(where, files)
    checked = {
        normalise_path(path, where): decode_file(f"{where}[{quoted(path)}]", what)
        for path, what in given.items()
    }
    if len(checked) < len(given):
        raise InvalidJob(f"{where}: two of the paths name the same file.")
    for path in checked:
        _check_parents(where, path, checked)
    return GivenFiles(
        contents={path: what for path, what in checked.items() if isinstance(what, bytes)},
        refs={path: what for path, what in checked.items() if isinstance(what, str)},
    )


def read_env(env: object, where: str = "env") -> dict[str, str]:
    """The variables. `where` names them in the request.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    given = _mapping(where, env)
    check_count(where, len(given), "variables", _MOST_VARIABLES)
    return {
        _env_name(where, name): decode_text(f"{where}[{quoted(name)}]", value)
        for name, value in given.items()
    }


def check_count(name: str, count: int, what: str, most: int) -> None:
    """Raise InvalidJob if an argument has more than `most` members."""
    if count > most:
        raise InvalidJob(f"{name}: there are {count} {what}; give at most {most}.")


def _check_parents(where: str, path: str, paths: Mapping[str, object]) -> None:
    parent = path
    while "/" in parent:
        parent = parent.rpartition("/")[0]
        if parent in paths:
            raise InvalidJob(f"{where}: {quoted(parent)} is a file and the folder of {quoted(path)} at once.")


def _env_name(where: str, name: object) -> str:
    if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
        raise InvalidJob(
            f"{where}: {quoted(name)} is no name of a variable: letters, digits and _, no digit first."
        )
    return name


def _mapping(name: str, value: object) -> Mapping[object, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJob(f"{name}: give an object of names and values.")
    return value
