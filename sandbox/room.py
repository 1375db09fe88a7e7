"""Checks that what a job brings fits: into a command, into its cell, and into what the operator allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Settings
    from sandbox.blobs import Source
    from sandbox.job import Job
    from sandbox.limits import Limits
    from sandbox.runs.plan import PlannedRun

__all__ = ["check_command", "check_file_count", "check_input", "check_room"]

# execve(2): one argument may take 32 pages. All of them may take a quarter of the stack, but always 32 pages.
# A job may use half of that.
_ARGUMENT_BYTES = 131_071
_ARGUMENTS_BYTES = 1 << 20
_LEAST_ARGUMENTS_BYTES = 64 << 10
# Each argument also takes the NUL at its end and a pointer.
_POINTER_BYTES = 9
# Each file takes a header and an inode, besides its content and its path.
_FILE_BYTES = 1024
# The memory that a cell needs, besides its files, to unpack them: for a shell, dd and tar.
_SUPERVISOR_BYTES = 8 << 20


def check_file_count(files: object, most: int) -> None:
    """Raise InvalidJob if there are more than `most` files."""
    if isinstance(files, Mapping) and len(files) > most:
        raise InvalidJob(
            f"files: there are {len(files)}, above the maximum of {most} that the operator allows"
            " (CELLBLOCK_MAX_FILES); send them as one archive, and unpack it in cmd."
        )


def check_command(job: Job) -> None:
    """Raise InvalidJob if the command and the variables, of the job or of one of its runs, are too large."""
    _check_command(job.argv, job.env, job.limits)
    for index, run in enumerate(job.runs.planned if job.runs else ()):
        with _naming(index):
            _check_command(run.argv, {**job.env, **run.env}, run.limits)


def check_input(job: Job, settings: Settings) -> None:
    """Raise InvalidJob if what came in the job's message is too much for the operator, or for the cell."""
    runs = job.runs.planned if job.runs else ()
    input_bytes = len(job.stdin or b"") + _files_bytes(job.files) + sum(map(_input_bytes, runs))
    if input_bytes > settings.max_input:
        raise InvalidJob(
            f"files and stdin take {format_bytes(input_bytes)}, above the maximum of"
            f" {format_bytes(settings.max_input)} that the operator allows (CELLBLOCK_MAX_INPUT)."
        )
    for index, run in enumerate(runs):
        with _naming(index):
            check_file_count({**job.files, **job.refs, **run.files, **run.refs}, settings.max_files)
    check_room(job)


def check_room(job: Job) -> None:
    """Raise InvalidJob unless the job's files fit into its cell, and those of each of its runs.

    Files by ref count as far as their sizes are known.
    """
    stdin_bytes, files_bytes = len(job.stdin or b""), _files_bytes(job.files) + _sources_bytes(job.sources)
    _check_room(stdin_bytes, files_bytes, job.limits)
    for index, run in enumerate(job.runs.planned if job.runs else ()):
        own_bytes = _files_bytes(run.files) + _sources_bytes(run.sources)
        run_stdin_bytes = stdin_bytes if run.stdin is None else len(run.stdin)
        with _naming(index):
            _check_room(run_stdin_bytes, files_bytes + own_bytes, run.limits)


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Say in an error in which of the runs it is."""
    try:
        yield
    except InvalidJob as error:
        raise InvalidJob(f"runs[{index}]: {error}") from None


def _check_command(argv: Sequence[str], env: Mapping[str, str], limits: Limits) -> None:
    arguments = [*argv, *(f"{name}={value}" for name, value in env.items())]
    sizes = [len(argument.encode()) for argument in arguments]
    most_bytes = min(_ARGUMENTS_BYTES, max(_LEAST_ARGUMENTS_BYTES, limits.stack_bytes // 8))
    if max(sizes) > _ARGUMENT_BYTES or sum(sizes) + _POINTER_BYTES * len(sizes) > most_bytes:
        raise InvalidJob(
            f"The command and env are too large: Linux takes {format_bytes(_ARGUMENT_BYTES)} an argument and,"
            f" with this stack, {format_bytes(most_bytes)} in all; send the rest in files or stdin."
        )


def _check_room(stdin_bytes: int, files_bytes: int, limits: Limits) -> None:
    if stdin_bytes + files_bytes + _SUPERVISOR_BYTES > limits.memory_bytes:
        raise InvalidJob(
            f"files and stdin take {format_bytes(stdin_bytes + files_bytes)} of memory, which leaves too"
            f" little of the job's memory={format_bytes(limits.memory_bytes)}; ask for more memory."
        )
    if max(stdin_bytes, files_bytes) > limits.disk_bytes:
        raise InvalidJob(
            f"files or stdin take {format_bytes(max(stdin_bytes, files_bytes))}, more than the job's"
            f" disk={format_bytes(limits.disk_bytes)}; ask for more disk."
        )


def _input_bytes(run: PlannedRun) -> int:
    return len(run.stdin or b"") + _files_bytes(run.files) + len(run.expected or "")


def _files_bytes(files: Mapping[str, bytes]) -> int:
    return sum(_on_disk(path, len(content)) for path, content in files.items())


def _sources_bytes(sources: Mapping[str, Source]) -> int:
    return sum(_on_disk(path, source.size) for path, source in sources.items())


def _on_disk(path: str, size: int) -> int:
    """How many bytes a file takes on a tmpfs: whole pages for its content, and also its path and an inode."""
    return len(path.encode()) + _FILE_BYTES + -(-size // 4096) * 4096
