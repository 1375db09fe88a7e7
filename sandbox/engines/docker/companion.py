"""A container that runs beside a cell: it has the cell's profile, except for what its program needs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.profile import container_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.limits import Limits

__all__ = ["companion_config"]

_CPUS = 0.5
_PIDS = 16
_DISK_BYTES = 1 << 20

_SECCOMP = "seccomp="
_SENDING = {"sendmmsg", "sendmsg", "sendto"}


def companion_config(
    *,
    image: str,
    limits: Limits,
    labels: Mapping[str, str],
    memory_bytes: int,
    network: str,
    oci_runtime: str | None,
    program: list[str],
) -> dict[str, Any]:
    """The body of the engine's create call. Of the job's `limits` only the time limits are used."""
    own = replace(limits, memory_bytes=memory_bytes, cpus=_CPUS, pids=_PIDS, disk_bytes=_DISK_BYTES)
    body = container_config(
        image=image, limits=own, labels=labels, env={}, network=network, oci_runtime=oci_runtime
    )
    body["HostConfig"]["SecurityOpt"] = [_sending(line) for line in body["HostConfig"]["SecurityOpt"]]
    return body | {"Entrypoint": ["/bin/sh", "-c", *program]}


def _sending(option: str) -> str:
    """Allow sending with any flag. HAProxy uses MSG_MORE, which a job could misuse and may not use."""
    if not option.startswith(_SECCOMP):
        return option
    rules = json.loads(option.removeprefix(_SECCOMP))
    for rule in rules["syscalls"]:
        if _SENDING.intersection(rule["names"]):
            rule.pop("args", None)
    return f"{_SECCOMP}{json.dumps(rules)}"
