"""A container that runs beside a cell: it has the cell's profile, except for what its program needs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.profile import cell_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.limits import Limits
    from sandbox.profile import Profile

__all__ = ["companion_profile"]

_CPUS = 0.5
_PIDS = 16
_DISK_BYTES = 1 << 20

_SENDING = {"sendmmsg", "sendmsg", "sendto"}


def companion_profile(
    *,
    image: str,
    limits: Limits,
    labels: Mapping[str, str],
    memory_bytes: int,
    network: str,
    oci_runtime: str | None,
    program: list[str],
) -> Profile:
    """The profile of a companion. Of the job's `limits` only the time limits are used."""
    own = replace(limits, memory_bytes=memory_bytes, cpus=_CPUS, pids=_PIDS, disk_bytes=_DISK_BYTES)
    profile = cell_profile(
        image=image, limits=own, labels=labels, env={}, network=network, oci_runtime=oci_runtime
    )
    return replace(profile, program=("/bin/sh", "-c", *program), seccomp=_sending(profile.seccomp))


def _sending(seccomp: str) -> str:
    """Allow sending with any flag. HAProxy uses MSG_MORE, which a job could misuse and may not use."""
    rules = json.loads(seccomp)
    for rule in rules["syscalls"]:
        if _SENDING.intersection(rule["names"]):
            rule.pop("args", None)
    return json.dumps(rules)
