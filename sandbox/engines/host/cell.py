"""A job's processes on the worker's own host."""

from __future__ import annotations

import os
import posixpath
import secrets
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from config.runtimes import BASH, HEAP_REPORT
from sandbox.cell import CellInfo, Evidence
from sandbox.engines.host.files import archive_of, write_files
from sandbox.engines.host.newcomers import Newcomers
from sandbox.errors import EngineFailed
from sandbox.events import STDERR, STDOUT, Archived, Closed, Ended, Event, Output, Started, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.job import Job

__all__ = ["HostCell"]

_READ_BYTES = 256 << 10
_MARK = "CELLBLOCK_CELL"
_EXIT = 0
_TICK_S = 0.5
# Not those that Popen itself sets back. The C library keeps some signals for itself.
_UNCATCHABLE = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
_CATCHABLE = tuple(map(int, signal.valid_signals() - _UNCATCHABLE))
# A signal that comes before the command is the shell's own. The shell's name is the size of the stack in KiB.
_START = 'ulimit -s "$0" || exit 126; exec "$@"'
_TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
# A process that starts while the others are killed is killed in the next round. The number of rounds is
# limited because a process that cannot be killed is found in every round.
_KILL_ROUNDS = 100
# Between two rounds in which no new process was found.
_DYING_S = 0.01


class HostCell:
    """One command and all processes that it starts. They are found by a variable that they inherit."""

    info = CellInfo(engine="host")
    starving = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heap_report = folder / posixpath.basename(HEAP_REPORT)
        self._mark = f"{_MARK}={secrets.token_hex(16)}".encode()
        self._newcomers = Newcomers()
        self._selector = selectors.DefaultSelector()
        self._events: list[Event] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._is_gone = False
        self._seen_ns = 0
        self._wants_archive = self._is_exact = False
        self._archive: Iterator[Event] | None = None

    def start(self, job: Job) -> None:
        """Write the job's files and start its command.

        Raises:
            EngineFailed: the host has no room for the files, or cannot start a process.
            InvalidJob, BlobsUnavailable: a file or the workspace can't be read or unpacked.
        """
        try:
            self._start(job)
        except OSError as error:
            raise EngineFailed(f"The host could not start the command: {error.strerror}.") from error

    def _start(self, job: Job) -> None:
        self._wants_archive = bool(job.artifacts or job.keep_workspace)
        self._is_exact = job.keep_workspace
        write_files(self._folder, job)
        with _stdin_of(job) as stdin, _heard_signals():
            self._process = subprocess.Popen(
                ("/bin/sh", "-c", _START, str(job.limits.stack_bytes >> 10), *map(self._own_word, job.argv)),
                cwd=self._folder,
                env=self._environment(job),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=0o022,
            )
        self._newcomers.known = self._process.pid
        for pipe, stream in ((self._process.stdout, STDOUT), (self._process.stderr, STDERR)):
            assert pipe is not None  # noqa: S101  both were asked for
            self._selector.register(pipe, selectors.EVENT_READ, stream)
        self._selector.register(os.pidfd_open(self._process.pid), selectors.EVENT_READ, _EXIT)
        self._events.append(Started())

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """The next events: the command's output, its end, and then its folder as an archive."""
        if not self._events and self._selector.get_map():
            for key, _ in self._selector.select(max(0.0, min(timeout_s, _TICK_S))):
                self._take(key)
            if not self._selector.get_map():
                self._finish()
        if not self._events and self._archive is not None:
            yield next(self._archive, Closed())
        while self._events:
            yield self._events.pop(0)

    def cpu_ns(self) -> int:
        """The CPU time of the job's processes, and of those that have ended and were waited for."""
        self._seen_ns = max(self._seen_ns, sum(map(_cpu_ns, self._members())))
        return self._seen_ns

    def bound_cpu(self, limit_ns: int) -> bool:
        """False. It is never needed, because `cpu_ns` always knows."""
        return False

    def terminate(self) -> None:
        """Send SIGTERM to every process of the job."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to every process of the job."""
        self.destroy()

    def destroy(self) -> None:
        """Send SIGKILL to every process of the job, and again to those that have started since.

        It returns once all are gone, or after a second if one of them cannot be killed.
        """
        killed: set[int] = set()
        for _ in range(0 if self._is_gone else _KILL_ROUNDS):
            found = self._signal(signal.SIGKILL)
            # A process may end while one looks, and leave one that is newer than those that are looked at.
            if not found and not self._newcomers.are_more():
                self._is_gone = self._process is not None
                return
            if found and found <= killed:
                # Each needs the processor once more to end, which takes a while on a busy host.
                time.sleep(_DYING_S)
            killed |= found

    def examine(self) -> Evidence:
        """Nothing more: everything that the host knows is in `Ended`."""
        return Evidence()

    def close(self) -> None:
        """Close the pipes, and wait up to a second for the command's own process."""
        for key in list(self._selector.get_map().values()):
            self._drop(key)
        self._selector.close()
        if self._process and self._process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILL_ROUNDS * _DYING_S)

    def _environment(self, job: Job) -> dict[str, str]:
        """The job's environment. It has only PATH from the worker's variables, so no secret of the worker."""
        home, memory = str(self._folder), job.limits.memory_bytes
        base = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LANG": "C.UTF-8", "TZ": "UTC"}
        return (
            base
            | {name: self._own_report(value) for name, value in job.runtime.environment(memory).items()}
            | dict(job.env)
            | {_MARK: self._mark.decode().partition("=")[2]}
        )

    def _own_word(self, word: str) -> str:
        """`word` of a command, with this host's shell for bash."""
        if word == BASH:
            return "bash" if shutil.which("bash") else "/bin/sh"
        return self._own_report(word)

    def _own_report(self, word: str) -> str:
        """`word` with the path of this job's own report of a full heap: all jobs share the host's /tmp."""
        return word.replace(HEAP_REPORT, str(self._heap_report))

    def _take(self, key: selectors.SelectorKey) -> None:
        if key.data == _EXIT:
            self._drop(key)
            self.destroy()
        elif data := os.read(key.fd, _READ_BYTES):
            self._events.append(Output(key.data, data))
        else:
            self._drop(key)

    def _drop(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        if isinstance(key.fileobj, int):
            os.close(key.fileobj)
        else:
            key.fileobj.close()  # type: ignore[attr-defined]

    def _finish(self) -> None:
        if self._process is None:
            return
        _, status, used = os.wait4(self._process.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        # A process that nobody has waited for is not counted there.
        cpu_ns = max(self._seen_ns, int((used.ru_utime + used.ru_stime) * 1e9))
        usage = Usage(cpu_ns=cpu_ns, peak_bytes=used.ru_maxrss << 10)
        heap_full = _take_away(self._heap_report)
        by_signal = code < 0
        self._events.append(
            Ended(128 - code if by_signal else code, usage, by_signal=by_signal, heap_full=heap_full)
        )
        if self._wants_archive:
            self._archive = map(Archived, archive_of(self._folder, exact=self._is_exact))

    def _signal(self, number: signal.Signals) -> set[int]:
        return {pid for pid in self._members() if self._signal_one(pid, number)}

    def _members(self) -> list[int]:
        return [pid for pid in self._newcomers() if self._is_member(pid)]

    def _signal_one(self, pid: int, number: signal.Signals) -> bool:
        """Signal one process by a pidfd. It is checked again: its number may be another process's now."""
        with suppress(ProcessLookupError, PermissionError):
            held = os.pidfd_open(pid)
            try:
                if self._is_member(pid):
                    signal.pidfd_send_signal(held, number)
                    return True
            finally:
                os.close(held)
        return False

    def _is_member(self, pid: int) -> bool:
        """Whether a process has the job's variable. If it has removed that, its session is checked."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:  # noqa: PTH123  a tenth of Path's time
                return self._mark in environment.read() or self._is_in_session(pid)
        except OSError:
            return False

    def _is_in_session(self, pid: int) -> bool:
        """Whether a process is in the command's session and has not ended.

        A process that was started from outside of this container has session 0 here.
        """
        if self._process is None:
            return False
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
            state, _, _, session, *_ = stat.read().rpartition(b")")[2].split()
        return int(session) == self._process.pid and state not in (b"Z", b"X")


def _take_away(path: Path) -> bool:
    """Whether the file was there. A job may have made a folder of that name."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _cpu_ns(pid: int) -> int:
    """What a process has used, with those of its children that it has waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
            ticks = stat.read().rpartition(b")")[2].split()[11:15]
    except OSError:
        return 0
    return sum(map(int, ticks)) * _TICK_NS


@contextmanager
def _heard_signals() -> Iterator[None]:
    """Catch the signals that this process ignores, while a job is started.

    A job inherits ignored signals, such as SIGINT in a worker's processes, but not caught ones. Python can
    catch signals in the main thread only; other threads leave them as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = _ignored_signals()
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _ignored_signals() -> list[int]:
    """The numbers of the signals that this process ignores, but those that need not be caught."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123
        mask = int(status.read().split(b"\nSigIgn:", 1)[1].split(maxsplit=1)[0], 16)
    return [number for number in _CATCHABLE if mask >> number - 1 & 1]


def _stdin_of(job: Job) -> IO[bytes]:
    if not job.stdin:
        return open(os.devnull, "rb")  # noqa: PTH123  the caller closes it
    stdin = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    stdin.write(job.stdin)
    stdin.seek(0)
    return stdin
