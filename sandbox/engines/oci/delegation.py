"""The control group that systemd has delegated to the worker. The groups of its cells are made below it.

A unit with `Delegate=yes` has such a group, with version 2 of control groups. systemd leaves everything below
it alone. Elsewhere on the host it may remove groups that it has not made.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from sandbox.engines.cgroup import CGROUPS
from sandbox.errors import EngineUnreachable

__all__ = ["cells_parent", "delegated_group"]

# systemd marks what it delegates. Versions before 251 only have the second mark, which root alone can read.
# The systemd of a user marks nothing, so it must be asked.
_MARKS = ("user.delegate", "trusted.delegate")
#: Where the worker's own processes are. A unit may name it in `DelegateSubgroup=`.
_LEAF = "worker"
_CONTROLLERS = ("cpu", "memory", "pids")
_OPTIONAL = ("io",)
_TRIES = 20
_ANSWER_S = 10.0


def cells_parent(owner: str, root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> str:
    """The path of the group for all cells of a deployment. It need not exist.

    If a group is delegated, its processes are moved to a group below it: a group that has processes can't
    limit the groups below it.

    Raises:
        EngineUnreachable: this user can't make groups with limits.
    """
    delegated = delegated_group(root, own)
    if delegated:
        _make_room(root / delegated.relative_to("/"))
    return str((delegated or Path("/")) / f"cellblock-{owner}")


def delegated_group(root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The path of the group that is delegated to this process. None if there is none, and this is root.

    Raises:
        EngineUnreachable: there is none, and this is no root, who may make groups anywhere.
    """
    lines = own.read_text().splitlines() if (root / "cgroup.controllers").exists() else []
    group = next((Path(line[3:]) for line in lines if line.startswith("0::/")), Path("/"))
    candidate = group.parent if group.name == _LEAF else group
    if any(_has(root / candidate.relative_to("/"), mark) for mark in _MARKS):
        return candidate
    if os.geteuid() != 0:
        if lines and _user_delegates(candidate.name):
            return candidate
        raise EngineUnreachable(
            "This user can't limit cells: its processes are in no control group that systemd has delegated."
            " Try: run the worker as a unit with Delegate=yes, on a host with cgroup version 2"
        )
    return None


def _has(group: Path, mark: str) -> bool:
    try:
        return os.getxattr(group, mark) == b"1"
    except OSError:
        return False


@cache
def _user_delegates(unit: str) -> bool:
    """Whether the systemd of this user has delegated the unit's group. False if there is no such unit."""
    question = ("systemctl", "--user", "show", "--property=Delegate", "--value", unit)
    try:
        answer = subprocess.run(question, capture_output=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.strip() == b"yes"


def _make_room(group: Path) -> None:
    """Move the processes of the group to a leaf, and let the group limit what is below it."""
    there = (group / "cgroup.controllers").read_text().split()
    missing = [name for name in _CONTROLLERS if name not in there]
    if missing:
        raise EngineUnreachable(
            f"The control group {group} can't limit {', '.join(missing)}. Try: Delegate=yes in its unit"
        )
    wanted = [name for name in (*_CONTROLLERS, *_OPTIONAL) if name in there]
    enabled = (group / "cgroup.subtree_control").read_text().split()
    if not set(wanted) <= set(enabled):
        try:
            _move_processes(group, group / _LEAF)
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
        except OSError as error:
            raise EngineUnreachable(f"The control group {group} can't be used ({error.strerror}).") from error


def _move_processes(group: Path, leaf: Path) -> None:
    """Move all processes, also those that begin meanwhile. If some stay, the group can't be used."""
    leaf.mkdir(exist_ok=True)
    for _ in range(_TRIES):
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)
