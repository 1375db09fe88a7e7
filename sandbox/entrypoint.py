"""Finds the commands that start a job's files, for a job that gives no `cmd`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from config.globs import compile_glob
from config.quoting import named
from config.runtimes import BASH, fill_memory
from sandbox.errors import InvalidJob
from sandbox.java_source import read_java
from sandbox.shebang import interpreter, options
from sandbox.source_files import include_options, java_names, json_value

if TYPE_CHECKING:
    from config import Runtime
    from config.runtimes import Start

__all__ = ["Stages", "plan_start"]

T = TypeVar("T")

# The most files that a message names.
_NAMED = 5
_C_MAIN = re.compile(rb"\b(?:int|void|auto)\s+main\s*\(")
# What may be left out of the path in a package.json.
_ENDINGS = ("", ".js", ".json", ".node", "/index.js")
# The placeholders that stand for one file.
_ONE_FILE = ("{entry}", "{class}", "{folder}", "{stem}")


@dataclass(frozen=True, slots=True)
class Stages:
    """The argument lists of the two stages; without a compiler the first is empty.

    `entry` is the file that starts, if one does. `renamed` are files that need another name, by their path.
    """

    compile: tuple[str, ...]
    run: tuple[str, ...]
    entry: str | None = field(default=None, compare=False)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def compile_argv(self, memory_bytes: int) -> tuple[str, ...]:
        """The first stage in a cell with `memory_bytes` of memory."""
        return tuple(fill_memory(word, memory_bytes) for word in self.compile)

    def run_argv(self, memory_bytes: int) -> tuple[str, ...]:
        """The second stage in a cell with `memory_bytes` of memory."""
        return tuple(fill_memory(word, memory_bytes) for word in self.run)

    def files(self, files: Mapping[str, T]) -> dict[str, T]:
        """The files with the names that they need."""
        return {self.renamed.get(path, path): content for path, content in files.items()}


def plan_start(runtime: Runtime, files: Mapping[str, bytes], entry: str | None = None) -> Stages:
    """The commands that the catalogue gives for these files, of which `entry` is to start, if it is given.

    Raises:
        InvalidJob: the runtime can start none of the files, or several without a clear first choice.
    """
    for start in runtime.start:
        chosen = _Match(start, files, entry)
        if chosen.fits:
            return chosen.stages()
    script = entry or _script(runtime, files)
    bare = next((one for one in reversed(runtime.start) if not one.compile and "{entry}" in one.run), None)
    if script and bare and runtime.shebangs:
        return _Match(_for_file(bare, script), files, script).stages()
    raise InvalidJob(_no_start(runtime, files, entry))


def _for_file(start: Start, path: str) -> Start:
    """The same way to start, for exactly this file."""
    return start.model_copy(update={"files": (_literal(path),), "beside": None, "contains": None})


def _literal(path: str) -> str:
    """A pattern that matches only `path`."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _script(runtime: Runtime, files: Mapping[str, bytes]) -> str | None:
    """The file that is a script of this runtime: the only one with its `#!`, or the only file of all."""
    with_shebang = [path for path, content in files.items() if interpreter(content) in runtime.shebangs]
    if len(with_shebang) == 1:
        return with_shebang[0]
    return next(iter(files)) if len(files) == 1 and not with_shebang else None


def _no_start(runtime: Runtime, files: Mapping[str, bytes], entry: str | None) -> str:
    if entry:
        return f"entry: the runtime {runtime.name} can't start {named(entry)}. Try: a cmd of your own."
    patterns = ", ".join(dict.fromkeys(pattern for start in runtime.start for pattern in start.files))
    has = f" It has {_list(sorted(files))}." if files else ""
    return (
        f"With no cmd, the runtime {runtime.name!r} needs one of these in files: {patterns}.{has}"
        " Try: entry, or a cmd."
    )


class _Match:
    """One way to start, held against the files of a job."""

    def __init__(self, start: Start, files: Mapping[str, bytes], entry: str | None) -> None:
        self._start, self._files, self._entry = start, files, entry
        self._words = (*start.compile, *start.run)
        left = _matching(start.leave, files)
        self._of_pattern = [
            [path for path in _matching((pattern,), files) if path not in left and self._is_fit(path)]
            for pattern in start.files
        ]
        self._every = sorted({path for found in self._of_pattern for path in found})
        self._also = [path for path in _matching(start.also, files) if path not in left]
        is_java = start.main == "java"
        self._java = {path: read_java(files[path]) for path in self._every} if is_java else {}

    @property
    def fits(self) -> bool:
        """Whether this is the way: a file matches, and among these is the entry, if one is given."""
        return bool(self._every) and (self._entry is None or self._entry in (*self._every, *self._also))

    def stages(self) -> Stages:
        first = self._first()
        classes, renamed = java_names(self._java, self._files)
        sources = self._sources(first) if self._start.main == "c" else (self._every, self._also)
        fill = _Fill(
            first,
            [renamed.get(path, path) for path in sources[0]],
            sources[1],
            classes.get(first) or _class_name(first),
            json_value(self._files[first], self._start.value) or "",
            include_options(self._files),
        )
        run = list(fill(self._start.run))
        if run[0] == BASH and run[-1] == _safe(first):
            run = _by_shebang(run, self._files[first])
        one = first if any(place in word for word in self._words for place in _ONE_FILE) else None
        return Stages(tuple(fill(self._start.compile)), tuple(run), one, renamed)

    def _is_fit(self, path: str) -> bool:
        start, content = self._start, self._files[path]
        if start.beside and posixpath.join(posixpath.dirname(path), start.beside) not in self._files:
            return False
        if start.contains and not re.search(start.contains.encode(), content, re.MULTILINE):
            return False
        value = json_value(content, start.value)
        if start.value_is_file and value is not None:
            named_path = posixpath.normpath(posixpath.join(posixpath.dirname(path), value))
            return any(f"{named_path}{ending}" in self._files for ending in _ENDINGS)
        return start.value is None or value is not None

    def _first(self) -> str:
        """The file to start: the entry, else the only one of the first pattern in the highest folder."""
        if self._entry is not None:
            return self._entry
        first = next(found for found in self._of_pattern if found)
        if self._java:
            starting = [path for path, source in self._java.items() if source.main]
            first = [path for path in first if path in starting] or starting or first
        if len(first) > 1 and (wanted := self._start.prefers):
            first = [
                path for path in first if re.search(wanted.encode(), self._files[path], re.MULTILINE)
            ] or first
        highest = [path for path in first if path.count("/") == min(one.count("/") for one in first)]
        if len(highest) > 1 and any(place in word for word in self._words for place in _ONE_FILE):
            raise InvalidJob(
                f"With no cmd, any of these could be the one to start: {_list(highest)}."
                " Give a cmd, or name one as entry."
            )
        return highest[0]

    def _sources(self, first: str) -> tuple[list[str], list[str]]:
        """The sources of a C or C++ program. With an entry, other files that have a `main` are left out."""
        if self._entry is None:
            return self._every, self._also
        wanted = [
            path
            for path in (*self._every, *self._also)
            if path == first or not _C_MAIN.search(self._files[path])
        ]
        return [path for path in self._every if path in wanted], [p for p in self._also if p in wanted]


@dataclass(frozen=True, slots=True)
class _Fill:
    """Fills in the placeholders of an argument list."""

    entry: str
    every: Sequence[str]
    also: Sequence[str]
    class_name: str
    value: str
    include: Sequence[str]

    def __call__(self, argv: Sequence[str]) -> Iterator[str]:
        places = {
            "{entry}": _safe(self.entry),
            "{class}": self.class_name,
            "{folder}": posixpath.dirname(self.entry).replace("/", "."),
            "{stem}": _safe(self.entry.removesuffix(".runtimeconfig.json")),
            "{value}": self.value,
        }
        for word in argv:
            if word in ("{all}", "{also}"):
                yield from map(_safe, self.every if word == "{all}" else self.also)
                continue
            if word == "{include}":
                yield from self.include
                continue
            yield re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], word)


def _matching(patterns: Sequence[str], files: Mapping[str, bytes]) -> list[str]:
    expression = compile_glob(*(pattern.lower() for pattern in patterns))
    return sorted(path for path in files if expression.fullmatch(path.lower())) if patterns else []


def _by_shebang(run: list[str], content: bytes) -> list[str]:
    """The command for a shell script: its first line says which shell, with which options."""
    shell = BASH if interpreter(content) in ("", "bash") else "/bin/sh"
    return [shell, *options(content), *run[1:]]


def _list(paths: Sequence[str]) -> str:
    return ", ".join(map(named, paths[:_NAMED])) + (", …" if len(paths) > _NAMED else "")


def _safe(path: str) -> str:
    """The path, written so that a program does not take it for an option."""
    return f"./{path}" if path.startswith("-") else path


def _class_name(path: str) -> str:
    return posixpath.splitext(path)[0].replace("/", ".")
