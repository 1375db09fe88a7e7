"""Describes the machine of a measurement: enough to judge the figures, nothing that identifies its owner."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import docker

__all__ = ["describe_machine", "machine_sentence"]


def describe_machine(engine: docker.APIClient) -> dict[str, str | int | float]:
    """Cores, kernel, engine, versions, and the load at the time of the call."""
    about = engine.info()
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count() or 1,
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "kernel": platform.release(),
        "engine": f"Docker {about['ServerVersion']}",
        "runc": about.get("RuncCommit", {}).get("ID", "") or "unknown",
        "storage": about["Driver"],
        "cgroup": f"v{about.get('CgroupVersion', '1')}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def machine_sentence(about: dict[str, str | int | float]) -> str:
    """The same as a sentence."""
    return (
        f"Measured on {about['day']}: {about['cores']} cores ({about['processor']}),"
        f" {about['memory_gib']} GiB,"
        f" Linux {about['kernel']}, {about['engine']} ({about['storage']}, cgroup {about['cgroup']}),"
        f" Python {about['python']}; load average at the start {about['load']}."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
