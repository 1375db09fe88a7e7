"""Calls the OCI runtime's program."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.oci.dialect import adapted
from sandbox.engines.oci.launcher import this_launcher
from sandbox.engines.oci.sealed import sealed
from sandbox.errors import EngineFailed, EngineUnreachable
from sandbox.gvisor import gvisor_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engines.oci.rlimits import Rlimit
    from sandbox.engines.oci.state import CellFolder

__all__ = ["OciRuntime"]

_MESSAGE_CHARS = 300


class OciRuntime:
    """crun, runc or runsc. `root` is the folder where the runtime keeps its own state."""

    def __init__(self, program: str, root: Path, bound_s: float) -> None:
        self._bound_s = bound_s
        self._program = program
        self._root = root

    @property
    def name(self) -> str:
        """The program's name, without its folder."""
        return Path(self._program).name

    def start(
        self,
        folder: CellFolder,
        config: dict[str, Any],
        rlimits: Sequence[Rlimit],
        null: Path,
        streams: tuple[int, int, int],
    ) -> None:
        """Make and start the container of a configuration, with these descriptors as its streams.

        `null` is the cell's own /dev/null.

        Raises:
            EngineUnreachable: the runtime's program does not exist.
            EngineFailed: it refused, or took too long.
        """
        program = sealed(self._found())
        config, prefix = adapted(self._program, config, rlimits, null)
        (folder.path / "config.json").write_text(json.dumps(config))
        log = folder.path / "log"
        words = [*gvisor_flags(self._program), "--root", str(self._root), "--log", str(log)]
        words.append("--log-format=json")
        words += ["run", "--detach", "--bundle", str(folder.path), folder.name]
        with folder.in_the_making() as lock:
            code = self._run((*prefix, program, *words), streams, lock)
        if code:
            raise EngineFailed(f"The OCI runtime could not make a cell: {_last_line(log)}.")

    def version(self) -> str:
        """The first line of the program's version text.

        Raises:
            EngineUnreachable: the program does not exist, or does not answer.
        """
        try:
            said = subprocess.run(
                (self._found(), "--version"),
                capture_output=True,
                check=True,
                text=True,
                timeout=self._bound_s,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnreachable(f"The OCI runtime does not answer ({error}).") from error
        return said.stdout.partition("\n")[0]

    def _found(self) -> str:
        path = shutil.which(self._program)
        if path is None:
            raise EngineUnreachable(f"There is no OCI runtime {self._program}. Try: apt-get install crun")
        return path

    def _run(self, command: Sequence[str], streams: tuple[int, int, int], lock: int) -> int:
        """Run the program to its end, and return its exit code."""
        stdin, stdout, stderr = streams
        try:
            process = this_launcher().start(
                command, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=[lock]
            )
        except OSError as error:
            raise EngineUnreachable(
                f"The OCI runtime {self._program} can't be started: {error.strerror}."
            ) from error
        try:
            is_over = _ends(process.pid, self._bound_s)
        finally:
            process.kill()
            process.wait()
        if not is_over:
            raise EngineFailed(f"The OCI runtime made no cell within {self._bound_s:g} s.")
        return process.returncode


def _ends(pid: int, within_s: float) -> bool:
    """Whether a child ends in time. `Popen.wait` would look only now and then."""
    poll, descriptor = select.poll(), os.pidfd_open(pid)
    poll.register(descriptor, select.POLLIN)
    try:
        return bool(poll.poll(within_s * 1000))
    finally:
        os.close(descriptor)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return _message(lines[-1])[:_MESSAGE_CHARS] if lines else "it does not say why"


def _message(line: str) -> str:
    """What a line of a log says. It is an object of JSON, unless the program is another one or was killed."""
    try:
        return str(json.loads(line)["msg"])
    except (ValueError, TypeError, KeyError):
        return line
