"""What each OCI runtime does otherwise than the others, and what it needs for that."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import EngineUnreachable
from sandbox.gvisor import is_gvisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engines.oci.rlimits import Rlimit

__all__ = ["adapted", "is_crun", "require_user"]

Config = dict[str, Any]

_GVISOR_DEV = {
    "destination": "/dev",
    "type": "tmpfs",
    "source": "tmpfs",
    "options": ["nosuid", "noexec", "mode=755"],
}


def adapted(
    program: str, config: Config, rlimits: Sequence[Rlimit], null: Path
) -> tuple[Config, tuple[str, ...]]:
    """The configuration for the runtime's program, and the command that must start it.

    `null` is the cell's own /dev/null.
    """
    if is_gvisor(program):
        return _for_gvisor(_with_limits(config, rlimits)), ()
    if is_crun(program):
        return _for_crun(_with_limits(config, rlimits), null), ()
    # runc sets the limits from outside of the user namespace, for which root lacks a right on some hosts.
    return config, ("prlimit", *(one.for_prlimit() for one in rlimits))


def require_user(program: str) -> None:
    """Return if the runtime's program can make cells for this user.

    Raises:
        EngineUnreachable: it can only make them for root. runc gives a file of its own to the cell's ids, for
            which others lack the right. With gVisor it was not tried.
    """
    if os.geteuid() != 0 and not is_crun(program):
        raise EngineUnreachable(
            f"{Path(program).name} can't make cells for a user who is not root."
            " Try: CELLBLOCK_OCI_RUNTIME=crun, or run the worker as root"
        )


def is_crun(program: str) -> bool:
    """Whether the runtime's program is crun, in whatever folder and version."""
    return "crun" in Path(program).name


def _with_limits(config: Config, rlimits: Sequence[Rlimit]) -> Config:
    return config | {"process": config["process"] | {"rlimits": [one.for_oci() for one in rlimits]}}


def _for_crun(config: Config, null: Path) -> Config:
    """Crun would hide files behind the host's /dev/null, which all cells would then share."""
    masked = config["linux"]["maskedPaths"]
    files = _files_among(tuple(masked))
    bind = {"type": "bind", "source": str(null), "options": ["bind", "ro"]}
    return config | {
        "mounts": [*config["mounts"], *(bind | {"destination": path} for path in files)],
        "linux": config["linux"] | {"maskedPaths": [path for path in masked if path not in files]},
    }


@cache
def _files_among(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the kernel's paths that are files. A cell has the same as the host."""
    return tuple(path for path in paths if Path(path).exists() and not Path(path).is_dir())


def _for_gvisor(config: Config) -> Config:
    """GVisor can't join a user namespace, because it has several threads. Its devices are its own."""
    namespaces = [{"type": one["type"]} for one in config["linux"]["namespaces"]]
    return config | {
        "mounts": [_GVISOR_DEV if one["destination"] == "/dev" else one for one in config["mounts"]],
        "linux": config["linux"] | {"namespaces": namespaces},
    }
