"""The engines on which the same tests run: conformance, hostile jobs and what else all engines share."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines import open_engine

if TYPE_CHECKING:
    from config import Settings

__all__ = ["ENGINES", "IN_GVISOR", "cells_of", "environment", "oci_state", "remove_groups"]

#: The engines that isolate a job, by the names in the tests' ids, each with the fixture of its sandbox.
#: The first is Docker Engine.
ENGINES = {"docker": "on_docker", "oci+crun": "crun", "oci+runc": "runc"}

#: Whether every cell of this run is made by gVisor, as `make gvisor` asks for.
IN_GVISOR = os.environ.get("TEST_OCI_RUNTIME") == "runsc"
if IN_GVISOR:
    ENGINES = {"docker+runsc": "on_docker", "oci+runsc": "runsc"}


def cells_of(settings: Settings) -> list[str]:
    """The names of all cells that an engine with these settings lists."""
    with closing(open_engine(settings)) as engine:
        return [cell.name for cell in engine.list()]


def environment(settings: Settings) -> dict[str, str]:
    """The variables that let a program of the test use the same engine."""
    names = ("engine", "oci_runtime", "store", "state", "owner", "pull")
    values = {name: getattr(settings, name) for name in names}
    return {f"CELLBLOCK_{name.upper()}": str(value) for name, value in values.items() if value is not None}


def oci_state(owner: str) -> Path:
    """The state of the oci engine. A service of systemd that is not root has a folder of its own in /run."""
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run"), f"cellblock-{owner}")


def remove_groups(owner: str) -> None:
    """Remove the control groups that the engine oci keeps for a deployment between its cells."""
    root = Path("/sys/fs/cgroup")
    for group in (*root.glob(f"cellblock-{owner}"), *root.glob(f"*/cellblock-{owner}")):
        group.rmdir()
