"""The seccomp filter that crun has compiled for one cell, used again for the next cells of this process."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.engines.oci.launcher import this_launcher

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SeccompFilter"]

_ANNOTATION = "run.oci.seccomp_bpf_data"
# A crun that does not know the annotation goes by this list. It allows nothing, so the cell can't start.
_NOTHING_ALLOWED = {"defaultAction": "SCMP_ACT_KILL_PROCESS"}


@dataclass(frozen=True, slots=True)
class _Compiled:
    program: str
    calls: object
    text: str


class SeccompFilter:
    """Saves crun the work of reading and compiling the list of system calls for each cell.

    That would be a third of the processor time that crun needs. crun leaves what it has compiled in the
    folder of its state, and takes it from an annotation of a later configuration.
    """

    def __init__(self) -> None:
        self._compiled: _Compiled | None = None
        self._is_proven = False
        self._refused_by: str | None = None

    def put_into(self, config: dict[str, Any], program: str) -> dict[str, Any]:
        """The configuration with the filter in place of the list, if this program has compiled it before."""
        known = self._compiled
        if known is None or known.program != program or known.calls is not config["linux"]["seccomp"]:
            return config
        return config | {
            "annotations": {_ANNOTATION: known.text},
            "linux": config["linux"] | {"seccomp": _NOTHING_ALLOWED},
        }

    def learn(self, config: dict[str, Any], program: str, state: Path) -> None:
        """Keep the filter that this program has compiled. `state` is the folder of a cell's state.

        If the cell had a filter from here, see once whether the program has used it. If not, that cell can't
        have started, and the program gets the list from then on.
        """
        given = config.get("annotations", {}).get(_ANNOTATION)
        if given is None and program != self._refused_by:
            if text := _compiled_in(state):
                self._compiled, self._is_proven = _Compiled(program, config["linux"]["seccomp"], text), False
        elif given is not None and not self._is_proven:
            self._is_proven = _compiled_in(state) == given
            if not self._is_proven:
                self._compiled, self._refused_by = None, program


def _compiled_in(state: Path) -> str:
    """The filter in the folder of a cell's state, in base 64."""
    return base64.b64encode(this_launcher().do(partial(_read, state / "seccomp.bpf"))).decode()


def _read(file: Path) -> bytes:
    """The file's content. A crun without seccomp leaves none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
