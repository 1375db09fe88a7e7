"""How much room a job's files take in its cell, which is in the cell's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config import format_bytes
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Settings
    from sandbox.job import Job

__all__ = ["check_input", "check_room"]

# Each file takes a header and an inode, besides its content and its path.
_FILE_BYTES = 1024
# The memory that a cell needs, besides its files, to unpack them: for a shell, dd and tar.
_SUPERVISOR_BYTES = 8 << 20


def check_input(job: Job, settings: Settings) -> None:
    """Raise InvalidJob if what came in the job's message is too much for the operator, or for the cell."""
    input_bytes = len(job.stdin or b"") + _files_bytes(job)
    if input_bytes > settings.max_input:
        raise InvalidJob(
            f"files and stdin take {format_bytes(input_bytes)}, above the maximum of"
            f" {format_bytes(settings.max_input)} that the operator allows (CELLBLOCK_MAX_INPUT)."
        )
    check_room(job)


def check_room(job: Job) -> None:
    """Raise InvalidJob unless the job's files fit into its cell, as far as their sizes are known."""
    stdin_bytes = len(job.stdin or b"")
    files_bytes = _files_bytes(job) + sum(_on_disk(path, one.size) for path, one in job.sources.items())
    if stdin_bytes + files_bytes + _SUPERVISOR_BYTES > job.limits.memory_bytes:
        raise InvalidJob(
            f"files and stdin take {format_bytes(stdin_bytes + files_bytes)} of memory, which leaves too"
            f" little of the job's memory={format_bytes(job.limits.memory_bytes)}; ask for more memory."
        )
    if max(stdin_bytes, files_bytes) > job.limits.disk_bytes:
        raise InvalidJob(
            f"files or stdin take {format_bytes(max(stdin_bytes, files_bytes))}, more than the job's"
            f" disk={format_bytes(job.limits.disk_bytes)}; ask for more disk."
        )


def _files_bytes(job: Job) -> int:
    return sum(_on_disk(path, len(content)) for path, content in job.files.items())


def _on_disk(path: str, size: int) -> int:
    """How many bytes a file takes on a tmpfs: whole pages for its content, and also its path and an inode."""
    return len(path.encode()) + _FILE_BYTES + -(-size // 4096) * 4096
