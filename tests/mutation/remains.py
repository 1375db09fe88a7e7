"""Removes what the tests of a fault have left behind, because of the fault or because they were killed."""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import docker
import psutil
from docker.errors import APIError, DockerException

from config import load_settings
from sandbox.engines.oci.engine import OciEngine
from tests.engines import oci_state, remove_groups

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["remove_remains"]


def remove_remains(owner: str) -> None:
    """Kill the processes of a run of the tests, and remove its cells, with and without a daemon."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TEST_OWNER") == owner:
                process.kill()
    _remove_containers(owner)
    state = oci_state(owner)
    if state.exists():
        _remove_oci_cells(owner, state)


def _remove_containers(owner: str) -> None:
    try:
        client = docker.from_env()
    except DockerException:
        return
    for cell in client.containers.list(
        all=True, filters={"label": f"cellblock.owner={owner}"}, ignore_removed=True
    ):
        with suppress(APIError):
            cell.remove(force=True)
    client.close()


def _remove_oci_cells(owner: str, state: Path) -> None:
    with closing(OciEngine(load_settings(engine="oci", owner=owner, state=state))) as engine:
        for cell in engine.list():
            engine.remove(cell.name)
    shutil.rmtree(state)
    remove_groups(owner)
