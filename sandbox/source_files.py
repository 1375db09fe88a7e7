"""What a program's files say about how they are compiled and started."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.java_source import JavaSource

__all__ = ["include_options", "java_names", "json_value"]

_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".inc", ".tpp")


def java_names(
    sources: Mapping[str, JavaSource], files: Mapping[str, bytes]
) -> tuple[dict[str, str], dict[str, str]]:
    """The class to start of each file, and names for those that are not called like their public class."""
    classes: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for path, source in sources.items():
        if source.main_class:
            classes[path] = source.main_class
        wanted = posixpath.join(posixpath.dirname(path), f"{source.public}.java")
        if source.public and wanted != path and wanted not in (*files, *renamed.values()):
            renamed[path] = wanted
    return classes, renamed


def include_options(files: Iterable[str]) -> list[str]:
    """Options by which a compiler of C finds headers; the system's come before all but those of `include`."""
    folders = {posixpath.dirname(path) for path in files if path.lower().endswith(_HEADERS)}
    above = {"/".join(parts[: at + 1]) for parts in map(_parts, folders) for at in range(len(parts))}
    include = sorted(path for path in above if posixpath.basename(path) == "include")
    quoted = sorted(folders - {"", *include})
    return [f"-I{path}" for path in include] + [word for path in quoted for word in ("-iquote", path)]


def _parts(path: str) -> list[str]:
    return path.split("/")


def json_value(content: bytes, key: str | None) -> str | None:
    """The text at `key`, such as "scripts.start", in a JSON object; None if there is none."""
    if key is None:
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value and "\0" not in value else None
