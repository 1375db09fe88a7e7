"""The limit that a worker sets for the socket memory of a cell on cgroup v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.docker.socket_memory import bound_sockets, bounds_sockets
from sandbox.profile import SOCKET_BYTES

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = "memory.kmem.tcp.limit_in_bytes"


@pytest.mark.parametrize(
    ("driver", "place"), [("cgroupfs", "docker/abc"), ("systemd", "system.slice/docker-abc.scope")]
)
def test_the_limit_is_written_where_either_driver_puts_a_container(
    tmp_path: Path, driver: str, place: str
) -> None:
    group = tmp_path / place
    group.mkdir(parents=True)
    for folder in (group, group.parent):
        (folder / LIMIT).write_text("9223372036854771712")
    assert bound_sockets("abc", tmp_path)
    assert (group / LIMIT).read_text().startswith(str(SOCKET_BYTES))
    assert bounds_sockets(driver, tmp_path)


def test_where_there_is_no_such_hierarchy_nothing_is_written(tmp_path: Path) -> None:
    assert not bound_sockets("abc", tmp_path)
    assert not bounds_sockets("cgroupfs", tmp_path)
    assert list(tmp_path.iterdir()) == []
