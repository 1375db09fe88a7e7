"""What every image has before any package: mount points, the merged /usr, and the users root and nobody."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sandbox.images.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["skeleton"]

_DIRECTORIES = (
    "dev",
    "etc",
    "home",
    "mnt",
    "opt",
    "proc",
    "run",
    "srv",
    "sys",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/local/bin",
    "usr/sbin",
    "usr/share",
    "var",
    "var/lib",
)
_SPECIAL_DIRECTORIES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777, "workspace": 0o755}
_SYMLINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin", "var/run": "/run"}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/workspace:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files myhostname dns\n",
}


def skeleton() -> Iterator[Entry]:
    """The entries that come first in every layer; a package cannot replace them."""
    for path in _DIRECTORIES:
        yield Entry(path, "directory", 0o755)
    for path, mode in _SPECIAL_DIRECTORIES.items():
        yield Entry(path, "directory", mode)
    for path, target in _SYMLINKS.items():
        yield Entry(path, "symlink", 0o777, target=target)
    for path, text in _FILES.items():
        yield Entry(path, "file", 0o644, len(text), content=io.BytesIO(text.encode()))
