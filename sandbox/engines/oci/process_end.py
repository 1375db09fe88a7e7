"""Waits for the end of a process, which need not be a child."""

from __future__ import annotations

import os
import select

__all__ = ["ends"]


def ends(pid: int, within_s: float) -> bool:
    """Whether a process has ended, or does so in time. `Popen.wait` would look only now and then.

    Raises:
        ProcessLookupError: there is no such process any more.
    """
    poll, descriptor = select.poll(), os.pidfd_open(pid)
    poll.register(descriptor, select.POLLIN)
    try:
        return bool(poll.poll(max(0.0, within_s) * 1000))
    finally:
        os.close(descriptor)
