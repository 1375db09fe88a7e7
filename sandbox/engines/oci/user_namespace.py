"""The user namespace of a cell, which the cell's own first host id owns."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from sandbox.engines.oci.kernel import new_user_namespace
from sandbox.engines.small_files import write_small

if TYPE_CHECKING:
    from sandbox.engines.oci.ids import IdRange

__all__ = ["make_user_namespace", "path_of"]


def make_user_namespace(ids: IdRange) -> io.FileIO:
    """An open file of a new user namespace with these ids. For the launcher's thread.

    The namespace exists as long as the file is open or a cell uses it. The kernel charges much of what
    a cell uses also to the owner of its namespace. If root were the owner, one cell could use up what root
    may have.

    Raises:
        OSError: the kernel refuses.
    """
    with new_user_namespace(ids.first) as pid:
        for file in ("uid_map", "gid_map"):
            write_small(f"/proc/{pid}/{file}", f"0 {ids.first} {ids.size}")
        return io.FileIO(f"/proc/{pid}/ns/user")


def path_of(namespace: io.FileIO) -> str:
    """The path by which the OCI runtime finds a namespace that this process has open."""
    # Not /proc/PID/…: runc from 1.1.11 on then compares the cell's ids with those of the process PID.
    return f"/proc/./{os.getpid()}/fd/{namespace.fileno()}"
