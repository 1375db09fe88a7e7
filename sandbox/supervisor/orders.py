"""Encodes one job for a supervisor, in a form that a POSIX shell can read without a parser of its own."""

from __future__ import annotations

import io
import shlex
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from config.globs import literal_start
from config.runtimes import BASH
from sandbox.workspace import padded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.job import Job

__all__ = ["KILL", "SUPERVISOR", "TERMINATE", "encode_orders"]

#: The program of process 1, for `/bin/sh -c`.
SUPERVISOR = Path(__file__).with_name("supervisor.sh").read_text()

TERMINATE = b"term\n"
KILL = b"kill\n"

_LINE_BYTES = 2048
# The supervisor's own default.
_STACK_BYTES = 8 << 20
# The supervisor knows whether the cell has bash.
_SHELL = '"$bash"'
_STDIN = "/tmp/.stdin"  # noqa: S108  in the cell, whose /tmp nobody shares


def encode_orders(overture: str, nonce: str, job: Job) -> bytes:
    """Everything that the supervisor reads before it starts `job`.

    It is a line with the two nonces and two sizes, then shell text of the first size, then a tar archive of
    the second. A job of a second stage has another archive before it, whose size is in the shell text. The
    supervisor reads each by its size with `dd`, because BusyBox's `head -c` reads more than
    it writes. Short ASCII text is sent as a line of its own instead, with size 0. A shell's `read` makes a
    system call for every byte and cannot read every byte value, but it saves a process, which would take a
    third of a warm job's time.
    """
    orders = "; ".join(_assignments(job)).encode()
    archive = _archive(job)
    before = padded(job.workspace)
    if len(orders) <= _LINE_BYTES and orders.isascii():
        line = orders.replace(b"\n", b"'\"$newline\"'")
        return f"{overture} {nonce} 0 {len(archive)}\n".encode() + line + b"\n" + before + archive
    return f"{overture} {nonce} {len(orders)} {len(archive)}\n".encode() + orders + before + archive


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
        yield f"workspace_bytes={len(padded(job.workspace))}"
    if job.artifacts:
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


def _archive(job: Job) -> bytes:
    if not job.files and job.stdin is None:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in job.files.items():
            _add(archive, f"workspace/{path}", content)
        if job.stdin is not None:
            _add(archive, _STDIN.removeprefix("/"), job.stdin)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add an executable file of now, so that it can be started as `./name`, and no tool finds it too old."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o755, int(time.time())
    archive.addfile(member, io.BytesIO(content))
