"""Fixtures that write the files of a control group, in both versions, because a host has only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    own = "cellblock/one"
    write(
        tmp_path,
        {
            "cgroup.controllers": "cpu memory pids",
            f"{own}/cpu.stat": "usage_usec 1500\nuser_usec 1000\n",
            f"{own}/memory.peak": "4096\n",
            f"{own}/memory.events": "low 0\noom 1\noom_kill 2\n",
            f"{own}/memory.current": "2048\n",
            f"{own}/memory.max": "8192\n",
            f"{own}/memory.stat": "pgmajfault 7\nactive_file 1\n",
            f"{own}/cpu.max": "max 100000\n",
            f"{own}/cgroup.procs": "",
            f"{own}/cgroup.kill": "",
        },
    )
    return tmp_path


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "cpuacct/cellblock/one/cpuacct.usage": "1500000\n",
            "memory/cellblock/one/memory.max_usage_in_bytes": "4096\n",
            "memory/cellblock/one/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            "memory/cellblock/one/memory.usage_in_bytes": "2048\n",
            "memory/cellblock/one/memory.limit_in_bytes": "8192\n",
            "memory/cellblock/one/memory.memsw.limit_in_bytes": "8192\n",
            "memory/cellblock/one/memory.stat": "pgmajfault 7\nactive_file 1\n",
            "cpu/cellblock/one/cpu.cfs_quota_us": "-1\n",
        },
    )
    return tmp_path
