"""The runtime's configuration of a container (OCI Runtime Specification, config.json) for a profile."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.oci.apparmor import loaded_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engines.oci.ids import IdRange
    from sandbox.engines.oci.mounts import CellMounts
    from sandbox.profile import Profile, Tmpfs

__all__ = ["oci_config"]

_CAPABILITIES = ("bounding", "effective", "inheritable", "permitted", "ambient")
_NAMESPACES = ("pid", "ipc", "uts", "mount", "network", "cgroup")
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_QUIET = ["nosuid", "noexec", "nodev"]
# An image's files belong to ids that the cell does not have, so a job can't write to them. The image's own
# /workspace and /tmp are covered by file systems of the cell.
_DEV_OPTIONS = ["bind", "nosuid", "noexec", "ro"]
_MOUNTS = (
    ("/proc", "proc", _QUIET),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/mqueue", "mqueue", _QUIET),
    ("/sys", "sysfs", [*_QUIET, "ro"]),
)
# Only the host's own architecture: a program for another one is killed at its first system call.
_ARCHITECTURES = {"x86_64": ["SCMP_ARCH_X86_64"], "aarch64": ["SCMP_ARCH_AARCH64"]}


def oci_config(
    profile: Profile,
    *,
    mounts: CellMounts,
    image_env: Mapping[str, str],
    ids: IdRange,
    user_namespace: str | None,
    cgroup: str,
    machine: str,
) -> dict[str, Any]:
    """The configuration, without resource limits. `machine` is the architecture as `uname -m` names it.

    Without the path of a user namespace, the runtime makes one.
    """
    mapping = [{"containerID": 0, "hostID": ids.first, "size": ids.size}]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(mounts.rootfs), "readonly": True},
        "hostname": profile.hostname,
        "process": _process(profile, image_env),
        "mounts": _mounts(profile, mounts.dev),
        "linux": {
            # stops: having a user's rights on the host, even as root in the cell: each cell has its own ids.
            "namespaces": [
                *({"type": kind} for kind in _NAMESPACES),
                {"type": "user", "path": user_namespace},  # stops: using up what root may have, in its name
            ],
            "uidMappings": mapping,
            "gidMappings": mapping,
            "maskedPaths": list(profile.masked_paths),
            "readonlyPaths": list(_READ_ONLY),
            "sysctl": dict(profile.sysctls),
            "seccomp": _seccomp(profile.seccomp, machine),
            "cgroupsPath": cgroup,
            "resources": _resources(profile),
        },
    }


def _process(profile: Profile, image_env: Mapping[str, str]) -> dict[str, Any]:
    env = {**image_env, **profile.env}
    confined = loaded_profile()
    return {
        "terminal": False,
        "user": {"uid": profile.user, "gid": profile.user},
        "args": list(profile.program),
        "env": [f"{name}={value}" for name, value in env.items()],
        "cwd": "/",
        "capabilities": {kind: [] for kind in _CAPABILITIES},
        "noNewPrivileges": True,
        "oomScoreAdj": profile.oom_score_adj,
        # stops: what the other walls forbid, if one of them has a hole
        **({"apparmorProfile": confined} if confined else {}),
    }


def _mounts(profile: Profile, dev: Path | None) -> list[dict[str, Any]]:
    fixed = [
        {"destination": path, "type": kind, "source": kind, "options": options}
        for path, kind, options in _MOUNTS
    ]
    # stops: locks and watches on the host's devices. To a runtime, a bind mount means that they are there.
    bind = {"destination": "/dev", "type": "bind", "source": str(dev), "options": _DEV_OPTIONS}
    fixed.insert(1, bind if dev else _tmpfs("/dev", ["nosuid", "noexec", "mode=755", "size=64k"]))
    shm = ["nosuid", "noexec", "nodev", "mode=1777", f"size={profile.shm_bytes}"]
    own = [_tmpfs(path, _options(one, profile.user)) for path, one in profile.tmpfs.items()]
    volumes = [_tmpfs(path, ["ro", "size=4k"]) for path in profile.volumes]
    return [*fixed, _tmpfs("/dev/shm", shm), *own, *volumes]  # noqa: S108  in the cell


def _tmpfs(path: str, options: list[str]) -> dict[str, Any]:
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options}


def _options(one: Tmpfs, user: int) -> list[str]:
    room = [f"size={one.size_bytes}", f"nr_inodes={one.inodes}", f"mode={one.mode:o}"]
    return ["exec" if one.exec else "noexec", "nosuid", "nodev", *room, f"uid={user}", f"gid={user}"]


@cache
def _seccomp(text: str, machine: str) -> dict[str, Any]:
    """The profile's list without Docker's comments, and with the architecture's name in libseccomp."""
    listed = json.loads(text)
    rules = [{key: value for key, value in rule.items() if key != "comment"} for rule in listed["syscalls"]]
    kept = {key: listed[key] for key in ("defaultAction", "defaultErrnoRet") if key in listed}
    return kept | {"architectures": _ARCHITECTURES.get(machine, []), "syscalls": rules}


def _resources(profile: Profile) -> dict[str, Any]:
    reads = [_rate(*one) for one in profile.disk_reads.items()]
    return {
        "devices": [{"allow": False, "access": "rwm"}],  # the runtime allows the usual ones again
        # Not `kernelTCP`: runc ignores it, and crun refuses it with version 2. The engine sets it afterwards.
        "memory": {"limit": profile.memory_bytes, "swap": profile.memory_bytes},
        "pids": {"limit": profile.pids},
        "cpu": {"quota": profile.cpu.quota_us, "period": profile.cpu.period_us},
        # Even if it is empty, crun needs the controller `io`, which the groups of a user's own systemd lack.
        **({"blockIO": {"throttleReadBpsDevice": reads}} if reads else {}),
    }


def _rate(device: str, bytes_s: int) -> dict[str, int]:
    number = Path(device).stat().st_rdev
    return {"major": os.major(number), "minor": os.minor(number), "rate": bytes_s}
