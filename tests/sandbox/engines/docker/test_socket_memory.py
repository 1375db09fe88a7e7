"""Whether a worker may limit the socket memory of a cell on cgroup v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.docker.socket_memory import bounds_sockets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("driver", "place"), [("cgroupfs", "docker"), ("systemd", "system.slice")])
def test_the_limit_can_be_set_where_the_driver_puts_containers(
    tmp_path: Path, driver: str, place: str
) -> None:
    limit = tmp_path / "memory" / place / "memory.kmem.tcp.limit_in_bytes"
    limit.parent.mkdir(parents=True)
    limit.touch()
    assert bounds_sockets(driver, tmp_path)


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd", "none"])
def test_without_such_a_hierarchy_it_can_not(tmp_path: Path, driver: str) -> None:
    assert not bounds_sockets(driver, tmp_path)
