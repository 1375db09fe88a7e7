"""The user namespace of a cell, which the cell's own first host id owns."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.oci.kernel import new_user_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.engines.oci.ids import IdRange
    from sandbox.engines.oci.launcher import Launcher

__all__ = ["user_namespace"]


@contextmanager
def user_namespace(ids: IdRange, launcher: Launcher) -> Iterator[str]:
    """The path of a new user namespace with these ids, which exists as long as the block or a cell uses it.

    The kernel charges much of what a cell uses also to the owner of its namespace. If root were the owner,
    one cell could use up what root may have.

    Raises:
        OSError: the kernel refuses.
    """
    descriptor = launcher.do(lambda: _make(ids))
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _make(ids: IdRange) -> int:
    with new_user_namespace(ids.first) as pid:
        process = Path("/proc", str(pid))
        for file in ("uid_map", "gid_map"):
            (process / file).write_text(f"0 {ids.first} {ids.size}")
        return os.open(process / "ns" / "user", os.O_RDONLY | os.O_CLOEXEC)
