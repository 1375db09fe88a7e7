"""Calls the OCI runtime's program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING, Any

from sandbox.engines.oci.dialect import adapted, is_crun, require_user
from sandbox.engines.oci.launcher import this_launcher
from sandbox.engines.oci.process_end import ends
from sandbox.engines.oci.sealed import sealed
from sandbox.engines.oci.seccomp_filter import SeccompFilter
from sandbox.engines.small_files import write_small
from sandbox.errors import EngineFailed, EngineUnreachable
from sandbox.gvisor import gvisor_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engines.oci.mounts import CellMounts
    from sandbox.engines.oci.rlimits import Rlimit
    from sandbox.engines.oci.state import CellFolder

__all__ = ["OciRuntime"]

_MESSAGE_CHARS = 300


class OciRuntime:
    """crun, runc or runsc."""

    def __init__(self, program: str, bound_s: float) -> None:
        self._bound_s = bound_s
        self._program = program
        self._path: str | None = None
        self._filter = SeccompFilter()

    @property
    def name(self) -> str:
        """The program's name, without its folder."""
        return Path(self._program).name

    def require_user(self) -> None:
        """Return if the program can make cells for this user.

        Raises:
            EngineUnreachable: it can't.
        """
        require_user(self._program)

    def start(
        self,
        folder: CellFolder,
        mounts: CellMounts,
        config: dict[str, Any],
        rlimits: Sequence[Rlimit],
        streams: tuple[int, int, int],
    ) -> None:
        """Make and start the container of a configuration, with these descriptors as its streams.

        Raises:
            EngineUnreachable: the runtime's program does not exist.
            EngineFailed: it refused, or took too long.
        """
        program = sealed(self._found())
        null = (mounts.dev or Path("/dev")) / "null"
        config, prefix = adapted(self._program, config, rlimits, null)
        if compiles := is_crun(self._program):
            config = self._filter.put_into(config, program)
        text, log = json.dumps(config), mounts.bundle / "log"
        words = [*gvisor_flags(self._program), "--root", str(mounts.state), "--log", str(log)]
        words.append("--log-format=json")
        words += ["run", "--detach", "--bundle", str(mounts.bundle), folder.name]

        def begin(lock: int) -> Popen[bytes]:
            write_small(mounts.bundle / "config.json", text)
            return self._begin((*prefix, program, *words), streams, lock)

        with folder.in_the_making() as lock:
            code = self._end(this_launcher().do(partial(begin, lock)))
        if code:
            said = this_launcher().do(partial(_last_line, log))
            raise EngineFailed(f"The OCI runtime could not make a cell: {said}.")
        if compiles:
            self._filter.learn(config, program, mounts.state / folder.name)

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
        if self._path is None or not os.access(self._path, os.X_OK):
            self._path = shutil.which(self._program)
        if self._path is None:
            raise EngineUnreachable.absent(
                f"There is no OCI runtime {self._program}. Try: apt-get install crun"
            )
        return self._path

    def _begin(self, command: Sequence[str], streams: tuple[int, int, int], lock: int) -> Popen[bytes]:
        """Start the program. For the launcher's thread."""
        stdin, stdout, stderr = streams
        try:
            return Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=[lock])
        except OSError as error:
            raise EngineUnreachable(
                f"The OCI runtime {self._program} can't be started: {error.strerror}."
            ) from error

    def _end(self, process: Popen[bytes]) -> int:
        """Wait for the program's end, and return its exit code."""
        try:
            is_over = ends(process.pid, self._bound_s)
        finally:
            process.kill()
            process.wait()
        if not is_over:
            raise EngineFailed(f"The OCI runtime made no cell within {self._bound_s:g} s.")
        return process.returncode


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
