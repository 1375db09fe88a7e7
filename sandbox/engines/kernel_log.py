"""Says by the kernel's log whether it has killed in a control group for lack of memory.

Docker Engine learns of such a kill by an event. If its shim is slow, the group is gone before the shim has
read the event, and the kill is never reported (containerd's shims for cgroup v1 and v2). The log keeps it,
unless the kernel has noted ten kills within five seconds: it leaves further ones out (`oom_kill_process`).
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KERNEL_LOG", "killed_for_memory"]

#: Where the kernel gives its log, one record for each read.
KERNEL_LOG = Path("/dev/kmsg")

# A read fails if a record does not fit. The kernel's own bound is 2 KB (PRINTK_MESSAGE_MAX).
_RECORD_BYTES = 8 << 10


def killed_for_memory(group: str, log: Path = KERNEL_LOG) -> bool:
    """Whether the log names this control group as one that was out of memory. False if it can't be read."""
    wanted = f",oom_memcg={group},".encode()
    with suppress(OSError), _opened(log) as descriptor:
        return any(b";oom-kill:" in record and wanted in record for record in _records(descriptor))
    return False


@contextmanager
def _opened(log: Path) -> Iterator[int]:
    descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _records(descriptor: int) -> Iterator[bytes]:
    """All records that the log holds now. It drops its oldest while they are read, and says so by EPIPE."""
    while True:
        try:
            record = os.read(descriptor, _RECORD_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
        else:
            if not record:
                return
            yield record
