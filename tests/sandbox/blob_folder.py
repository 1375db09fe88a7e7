"""A blob store for tests of the sandbox, in a folder of the test's own."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

from config import load_settings
from sandbox.blobs import Blob, read_blob, write_blob
from tasks.blobs.in_folder import FolderBlobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox import Result, Sandbox

__all__ = ["Workspaces", "archive"]


class Workspaces:
    """Runs jobs in one sandbox, whose blobs lie in a folder."""

    def __init__(self, sandbox: Sandbox, folder: Path, **settings: Any) -> None:
        self.sandbox = sandbox
        self.store = FolderBlobs(folder, "", load_settings(blobs=str(folder), **settings))

    def run(self, cmd: str, runtime: str = "bash", **request: Any) -> Result:
        """Run a job with this store."""
        return self.sandbox.run_job(self.sandbox.parse(cmd, runtime, **request), blobs=self.store)

    def put(self, content: bytes) -> str:
        """Store a content, and return its ref."""
        return write_blob(self.store, [content]).ref

    def get(self, ref: str) -> bytes:
        """The content of a ref."""
        return b"".join(read_blob(self.store, Blob(ref, self.store.size(ref) or 0)))


def archive(*members: tarfile.TarInfo | tuple[str, bytes], change: Callable[[bytes], bytes] = bytes) -> bytes:
    """A tar archive with these members: files by name and content, or whole headers without content."""
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one in members:
            if isinstance(one, tuple):
                member = tarfile.TarInfo(one[0])
                member.size, member.mode = len(one[1]), 0o644
                tar.addfile(member, io.BytesIO(one[1]))
            else:
                tar.addfile(one)
    return change(buffer.getvalue())
