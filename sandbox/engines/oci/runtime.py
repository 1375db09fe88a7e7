"""Calls the OCI runtime's program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import EngineFailed, EngineUnreachable
from sandbox.gvisor import gvisor_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engines.oci.state import CellFolder

__all__ = ["OciRuntime"]

_UNIFIED = Path("/sys/fs/cgroup/unified")
# If both versions of control groups are mounted, crun uses version 2 alone. So it runs in a mount namespace
# of its own, without the mount of version 2.
_ALONE = ("unshare", "--mount", "sh", "-c", f'umount {_UNIFIED}; exec "$@"', "sh")
_MESSAGE_CHARS = 300


class OciRuntime:
    """crun, runc or runsc. `root` is the folder where the runtime keeps its own state."""

    def __init__(self, program: str, root: Path, bound_s: float) -> None:
        self._bound_s = bound_s
        alone = _ALONE if "crun" in Path(program).name and _UNIFIED.is_mount() else ()
        self._program = program
        self._command = (*alone, program, *gvisor_flags(program), "--root", str(root))

    def start(self, folder: CellFolder, stdin: int, stdout: int, stderr: int) -> None:
        """Make and start the container of a bundle, with these descriptors as its streams.

        Raises:
            EngineUnreachable: the runtime's program does not exist.
            EngineFailed: it refused, or took too long.
        """
        self._check()
        log = folder.path / "log"
        words = ("--log", str(log), "run", "--detach", "--bundle", str(folder.path), folder.name)
        with folder.in_the_making() as lock:
            self._run(words, log, (stdin, stdout, stderr), lock)

    def version(self) -> str:
        """The first line of the program's version text.

        Raises:
            EngineUnreachable: the program does not exist, or does not answer.
        """
        self._check()
        try:
            said = subprocess.run(
                (self._program, "--version"),
                capture_output=True,
                check=True,
                text=True,
                timeout=self._bound_s,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnreachable(f"The OCI runtime does not answer ({error}).") from error
        return said.stdout.partition("\n")[0]

    def _check(self) -> None:
        if shutil.which(self._program) is None:
            raise EngineUnreachable(f"There is no OCI runtime {self._program}. Try: apt-get install crun")

    def _run(self, words: Sequence[str], log: Path, streams: tuple[int, int, int], lock: int) -> None:
        stdin, stdout, stderr = streams
        try:
            code = subprocess.run(
                (*self._command, *words),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                check=False,
                timeout=self._bound_s,
                pass_fds=[lock],
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise EngineFailed(f"The OCI runtime made no cell within {self._bound_s:g} s.") from error
        except OSError as error:
            raise EngineUnreachable(
                f"The OCI runtime {self._program} can't be started: {error.strerror}."
            ) from error
        if code:
            raise EngineFailed(f"The OCI runtime could not make a cell: {_last_line(log)}.")


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return lines[-1][:_MESSAGE_CHARS] if lines else "it does not say why"
