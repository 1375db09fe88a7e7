"""What crun does otherwise than other OCI runtimes, and what its configuration needs for that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.engines.oci.rlimits import Rlimit

__all__ = ["for_crun", "is_crun"]


def is_crun(program: str) -> bool:
    """Whether the runtime's program is crun, by its name."""
    return "crun" in Path(program).name


def for_crun(config: dict[str, Any], rlimits: Iterable[Rlimit], null: Path) -> dict[str, Any]:
    """The configuration for crun. `null` is the cell's own /dev/null.

    crun sets the limits from within the cell, for which root needs no right. It would hide files behind the
    host's /dev/null, which all cells would then share, although each of them has its own.
    """
    masked = config["linux"]["maskedPaths"]
    files = [path for path in masked if Path(path).exists() and not Path(path).is_dir()]
    hidden = [
        {"destination": path, "type": "bind", "source": str(null), "options": ["bind", "ro"]}
        for path in files
    ]
    return config | {
        "process": config["process"] | {"rlimits": [one.for_oci() for one in rlimits]},
        "mounts": [*config["mounts"], *hidden],
        "linux": config["linux"] | {"maskedPaths": [path for path in masked if path not in files]},
    }
