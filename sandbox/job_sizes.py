"""Checks that what a job brings fits: into a command, into its cell, and into what the operator allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Settings
    from sandbox.job import Job
    from sandbox.limits import Limits
    from sandbox.runs.plan import Runs

__all__ = ["check_file_count", "check_sizes"]

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


def check_sizes(job: Job, settings: Settings) -> None:
    """Raise InvalidJob if a part of `job` is too large."""
    _check_arguments(job)
    _check_inputs(job, settings)
    if job.runs:
        _check_runs(job, job.runs, settings)


def _check_runs(job: Job, runs: Runs, settings: Settings) -> None:
    job_stdin_bytes, job_files_bytes = _input_bytes(job)
    total_bytes = job_stdin_bytes + job_files_bytes
    for index, run in enumerate(runs.planned):
        files_bytes = _files_bytes(run.files)
        total_bytes += len(run.stdin or b"") + files_bytes + len(run.expected or "")
        stdin_bytes = job_stdin_bytes if run.stdin is None else len(run.stdin)
        try:
            check_file_count({**job.files, **run.files}, settings.max_files)
            _check_arguments(job.as_run(run))
            _check_fit(stdin_bytes, job_files_bytes + files_bytes, run.limits)
        except InvalidJob as error:
            raise InvalidJob(f"runs[{index}]: {error}") from None
    _check_total(total_bytes, settings)


def _check_arguments(job: Job) -> None:
    arguments = [*job.argv, *(f"{name}={value}" for name, value in job.env.items())]
    sizes = [len(argument.encode()) for argument in arguments]
    most_bytes = min(_ARGUMENTS_BYTES, max(_LEAST_ARGUMENTS_BYTES, job.limits.stack_bytes // 8))
    if max(sizes) > _ARGUMENT_BYTES or sum(sizes) + _POINTER_BYTES * len(sizes) > most_bytes:
        raise InvalidJob(
            f"The command and env are too large: Linux takes {format_bytes(_ARGUMENT_BYTES)} an argument and,"
            f" with this stack, {format_bytes(most_bytes)} in all; send the rest in files or stdin."
        )


def _check_inputs(job: Job, settings: Settings) -> None:
    stdin_bytes, files_bytes = _input_bytes(job)
    _check_total(stdin_bytes + files_bytes, settings)
    _check_fit(stdin_bytes, files_bytes, job.limits)


def _check_total(total_bytes: int, settings: Settings) -> None:
    if total_bytes > settings.max_input:
        raise InvalidJob(
            f"files and stdin take {format_bytes(total_bytes)}, above the maximum of"
            f" {format_bytes(settings.max_input)} that the operator allows (CELLBLOCK_MAX_INPUT)."
        )


def _check_fit(stdin_bytes: int, files_bytes: int, limits: Limits) -> None:
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


def _input_bytes(job: Job) -> tuple[int, int]:
    """What the standard input and the files take."""
    return len(job.stdin or b""), _files_bytes(job.files)


def _files_bytes(files: Mapping[str, bytes]) -> int:
    return sum(map(_on_disk, files, files.values()))


def _on_disk(path: str, content: bytes) -> int:
    """How many bytes a file takes on a tmpfs: whole pages for its content, and also its path and an inode."""
    return len(path.encode()) + _FILE_BYTES + -(-len(content) // 4096) * 4096
