"""All resource limits of a cell's processes, whatever the worker that starts them has."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rlimit", "cell_rlimits"]

_UNLIMITED = resource.RLIM_INFINITY
# The OCI specification has no word for it, and takes the largest number.
_OCI_UNLIMITED = 2**64 - 1

# In the order of the kernel's numbers (<asm-generic/resource.h>). The module `resource` does not know all.
_NAMES = (
    *("cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks"),
    *("sigpending", "msgqueue", "nice", "rtprio", "rttime"),
)

# What a container of Docker has where the profile lists nothing. The number of queued signals depends on the
# host there.
_UNLISTED = {
    **dict.fromkeys(("as", "data", "rss", "nproc", "locks", "rttime"), (_UNLIMITED, _UNLIMITED)),
    "stack": (8 << 20, _UNLIMITED),
    "sigpending": (16_384, 16_384),
    **dict.fromkeys(("nice", "rtprio"), (0, 0)),
}


@dataclass(frozen=True, slots=True)
class Rlimit:
    """One limit. -1 means that there is none."""

    name: str
    soft: int
    hard: int

    def for_oci(self) -> dict[str, Any]:
        """The limit in a runtime's configuration."""
        soft, hard = (_OCI_UNLIMITED if one == _UNLIMITED else one for one in (self.soft, self.hard))
        return {"type": f"RLIMIT_{self.name.upper()}", "soft": soft, "hard": hard}

    def for_prlimit(self) -> str:
        """The limit as an option of prlimit(1)."""
        soft, hard = ("unlimited" if one == _UNLIMITED else one for one in (self.soft, self.hard))
        return f"--{self.name}={soft}:{hard}"


def cell_rlimits(ulimits: Mapping[str, int]) -> list[Rlimit]:
    """A value for every limit that the kernel has: those of the profile, and Docker's for the others.

    No value is above this process's own hard limit. To raise that, root would need a right that it does not
    have in the cell's user namespace.
    """
    wanted = _UNLISTED | {name: (most, most) for name, most in ulimits.items()}
    return [_within_own(number, name, *wanted[name]) for number, name in enumerate(_NAMES)]


def _within_own(number: int, name: str, soft: int, hard: int) -> Rlimit:
    _, own = resource.getrlimit(number)
    return Rlimit(name, _least(soft, own), _least(hard, own))


def _least(*limits: int) -> int:
    return min((one for one in limits if one != _UNLIMITED), default=_UNLIMITED)
