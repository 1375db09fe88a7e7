"""Encodes one job for a supervisor, in a form that a POSIX shell can read without a parser of its own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.globs import literal_start
from config.runtimes import BASH
from sandbox.blobs import Source
from sandbox.supervisor.archive import file_archive, padding, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sandbox.job import Job

__all__ = ["KILL", "SUPERVISOR", "TERMINATE", "Orders", "encode_orders"]

#: The program of process 1, for `/bin/sh -c`.
SUPERVISOR = Path(__file__).with_name("supervisor.sh").read_text()

TERMINATE = b"term\n"
KILL = b"kill\n"
# Behind all contents. Both have the same length.
_CONFIRMED = b"confirmed\n"
_CONFIRMED_WITH_EXTENDED_NAMES = b"long-name\n"

_LINE_BYTES = 2048
# The supervisor's own default.
_STACK_BYTES = 8 << 20
# The supervisor knows whether the cell has bash.
_SHELL = '"$bash"'
_STDIN = "/tmp/.stdin"  # noqa: S108  in the cell, whose /tmp nobody shares


@dataclass(frozen=True, slots=True)
class Orders:
    """Everything that a supervisor reads before it starts a job, in pieces; to read them may fail."""

    parts: Sequence[bytes | Source]

    @property
    def size(self) -> int:
        """How many bytes the pieces have together."""
        return size_of(self.parts)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces. What is in memory comes as one piece."""
        held: list[bytes] = []
        for part in self.parts:
            if isinstance(part, bytes):
                held.append(part)
                continue
            if held:
                yield b"".join(held)
                held = []
            yield from part.pieces()
        if held:
            yield b"".join(held)


def encode_orders(overture: str, nonce: str, job: Job) -> Orders:
    """The orders for `job`.

    They are a line with the two nonces and two sizes, then shell text of the first size, then a tar archive
    of files of the second. An archive for the workspace comes before that one; its size is in the shell text.
    The supervisor reads each by its size with `dd`, because BusyBox's `head -c` reads more than it writes.
    Short ASCII text is sent as a line of its own instead, with size 0. A shell's `read` makes a system call
    for every byte and cannot read every byte value, but it saves a process, which would take a third of a
    warm job's time.

    Behind contents that are read from elsewhere, a last line says that they were the right ones.
    """
    text = "; ".join(_assignments(job)).encode()
    files = file_archive(_members(job))
    sizes = f"0 {size_of(files)}"
    if len(text) <= _LINE_BYTES and text.isascii():
        text = text.replace(b"\n", b"'\"$newline\"'") + b"\n"
    else:
        sizes = f"{len(text)} {size_of(files)}"
    start = f"{overture} {nonce} {sizes}\n".encode() + text
    return Orders([start, *_workspace(job), *files, *_last_word(job)])


def _assignments(job: Job) -> Iterator[str]:
    words = [_SHELL if word == BASH else shlex.quote(word) for word in _with_env(job)]
    yield "set -- " + " ".join(words)
    if BASH in job.argv:
        yield "asks=bash"
    if job.limits.stack_bytes != _STACK_BYTES:
        yield f"stack_kib={job.limits.stack_bytes >> 10}"
    if job.stdin is not None:
        yield f"stdin={_STDIN}"
    if job.workspace:
        yield f"workspace_bytes={size_of(_workspace(job))}"
    if _has_sources(job):
        yield "confirmed=''"
    if job.keep_workspace:
        yield "collect=. exact=1"
    elif job.artifacts:
        yield "collect=" + shlex.quote(" ".join(map(shlex.quote, _roots(job.artifacts))))
    # Last, so that orders cut short by a lost connection are never carried out.
    yield "ready=1"


def _roots(globs: Iterable[str]) -> list[str]:
    """The folders and files that contain all that `globs` can match. None of them lies within another."""
    roots = sorted({f"./{literal_start(glob)}".rstrip("/") for glob in globs})
    return [root for root in roots if not any(_is_within(root, other) for other in roots)]


def _is_within(root: str, other: str) -> bool:
    return root != other and f"{root}/".startswith(f"{other}/")


def _with_env(job: Job) -> tuple[str, ...]:
    """The command with its variables, set by `env` because a shell may refuse to set some.

    `env` would take a command with = in its name for a variable, so that a shell starts such a command.
    """
    if not job.env:
        return job.argv
    shielded = ("/bin/sh", "-c", 'exec "$@"', "sh", *job.argv) if "=" in job.argv[0] else job.argv
    return ("env", *(f"{name}={value}" for name, value in job.env.items()), *shielded)


def _has_sources(job: Job) -> bool:
    return bool(job.sources or job.workspace)


def _last_word(job: Job) -> list[Source]:
    """The line that starts the job. Which it is, is known once the contents before it were read."""
    workspace = job.workspace

    def word() -> list[bytes]:
        is_extended = workspace is not None and workspace.has_extended_names()
        return [_CONFIRMED_WITH_EXTENDED_NAMES if is_extended else _CONFIRMED]

    return [Source(len(_CONFIRMED), word)] if _has_sources(job) else []


def _workspace(job: Job) -> list[bytes | Source]:
    return [job.workspace, padding(job.workspace.size)] if job.workspace else []


def _members(job: Job) -> Iterator[tuple[str, bytes | Source]]:
    yield from ((f"workspace/{path}", content) for path, content in job.files.items())
    yield from ((f"workspace/{path}", source) for path, source in job.sources.items())
    if job.stdin is not None:
        yield _STDIN.removeprefix("/"), job.stdin
