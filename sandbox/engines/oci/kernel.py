"""System calls that Python has no function for. Each acts on the calling thread alone."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MS_BIND",
    "MS_MOVE",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_RDONLY",
    "leave_mount_namespace",
    "mount",
    "new_user_namespace",
]

# Numbers of <sched.h>, <sys/mount.h>, <sys/prctl.h>, <linux/securebits.h>, <linux/wait.h>.
_CLONE_VM, _CLONE_VFORK, _CLONE_NEWNS, _CLONE_NEWUSER = 0x100, 0x4000, 0x20000, 0x10000000
_MS_REC, _MS_SLAVE = 0x4000, 1 << 19
MS_RDONLY, MS_NOSUID, MS_NOEXEC, MS_BIND, MS_MOVE = 1, 2, 8, 0x1000, 0x2000
_GET_DUMPABLE, _SET_DUMPABLE, _GET_SECUREBITS, _SET_SECUREBITS = 3, 4, 27, 28
_NO_SETUID_FIXUP = 1 << 2
_WALL = 0x40000000
# The C library's own functions change the ids of all threads; the system calls change those of one.
_SETRESUID_SETRESGID = {"x86_64": (117, 119), "aarch64": (147, 149), "riscv64": (147, 149)}
_STACK_BYTES = 64 << 10

_MOUNT_NAMESPACE = Path("/proc/thread-self/ns/mnt")
_libc = ctypes.CDLL(None, use_errno=True)
_signal_set = ctypes.c_char * 128


def leave_mount_namespace() -> None:
    """Give the calling thread a mount namespace of its own, into which the mounts of the old one propagate.

    Raises:
        OSError: the kernel refuses.
    """
    before = _MOUNT_NAMESPACE.readlink()
    _check(_libc.unshare(_CLONE_NEWNS))
    if _MOUNT_NAMESPACE.readlink() == before:
        raise OSError(errno.EPERM, "the thread is still among the mounts of the host")
    mount("none", "/", "none", _MS_REC | _MS_SLAVE)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system, or change one that is mounted already.

    Raises:
        OSError: the kernel refuses.
    """
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()))


@contextmanager
def new_user_namespace(owner: int) -> Iterator[int]:
    """Make a user namespace that the user and group `owner` own, and give a process that keeps it.

    The process has ended, and is a zombie until the block is left.

    Raises:
        OSError: the kernel refuses.
    """
    with _signals_blocked(), _caller_dumpable(), _capabilities_kept(), _effective_ids(owner):
        pid = _clone_and_exit(_CLONE_NEWUSER)
    try:
        yield pid
    finally:
        os.waitpid(pid, _WALL)


def _clone_and_exit(flags: int) -> int:
    """Make a process that ends at once. It uses this process's memory, so that nothing is copied.

    No signal tells of its end, so that no handler for SIGCHLD takes it for a process of its own.
    """
    stack = ctypes.create_string_buffer(_STACK_BYTES)
    top = (ctypes.addressof(stack) + _STACK_BYTES) & ~15
    program = ctypes.cast(_libc._exit, ctypes.c_void_p)  # noqa: SLF001  its name in the C library
    return _check(_libc.clone(program, ctypes.c_void_p(top), _CLONE_VM | _CLONE_VFORK | flags, None))


@contextmanager
def _effective_ids(owner: int) -> Iterator[None]:
    """Be the user and group `owner` in effect. The real ids stay, so that the way back is open."""
    before = os.geteuid(), os.getegid()
    try:
        _set_effective(owner, owner)
        yield
    finally:
        _set_effective(*before)


def _set_effective(user: int, group: int) -> None:
    for number, one in zip(_SETRESUID_SETRESGID[platform.machine()], (user, group), strict=True):
        _check(_libc.syscall(ctypes.c_long(number), ctypes.c_long(-1), ctypes.c_long(one), ctypes.c_long(-1)))


@contextmanager
def _capabilities_kept() -> Iterator[None]:
    """Keep the capabilities with any ids. Some kernels let nobody else make a user namespace."""
    before = _check(_libc.prctl(_GET_SECUREBITS, 0, 0, 0, 0))
    _check(_libc.prctl(_SET_SECUREBITS, before | _NO_SETUID_FIXUP, 0, 0, 0))
    try:
        yield
    finally:
        _check(_libc.prctl(_SET_SECUREBITS, before, 0, 0, 0))


@contextmanager
def _caller_dumpable() -> Iterator[None]:
    """Undo what a change of ids does to the process: its files in /proc would belong to root."""
    before = _check(_libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0))
    try:
        yield
    finally:
        _check(_libc.prctl(_SET_DUMPABLE, before, 0, 0, 0))


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Let no handler run in a process that uses this one's memory."""
    # Python's own function makes a set of names for each call, which takes longer than the new process.
    every, before = _signal_set(), _signal_set()
    _libc.sigfillset(every)
    _libc.pthread_sigmask(signal.SIG_BLOCK, every, before)
    try:
        yield
    finally:
        _libc.pthread_sigmask(signal.SIG_SETMASK, before, None)


def _check(code: int) -> int:
    if code < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return code
