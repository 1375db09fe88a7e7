"""A Docker Engine of its own, which knows gVisor's runtime and leaves nothing when it ends."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from config import load_settings
from sandbox.engines.cgroup import CGROUPS
from sandbox.engines.docker.client import connect
from tests.chaos.engine import PrivateEngine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["running_engine"]

_RUNTIMES = {"runsc": {"path": "runsc", "runtimeArgs": ["--network=none"]}}
_PARENT = "cellblock-gvisor"
_END_S = 60


@contextmanager
def running_engine(folder: Path, images: Iterable[str]) -> Iterator[str]:
    """Run an engine in `folder`, with these images of this machine's own engine. Gives its address."""
    configuration = folder / "daemon.json"
    configuration.write_text(json.dumps({"runtimes": _RUNTIMES}))
    options = (f"--config-file={configuration}", f"--cgroup-parent=/{_PARENT}")
    try:
        with PrivateEngine(folder, *options) as engine, closing(connect(load_settings())) as source:
            engine.load(source, images)
            yield engine.url
    finally:
        _end_processes(folder)
        _remove_groups()


def _end_processes(folder: Path) -> None:
    """End runsc's own processes. They outlive their containers if a start has failed."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(_END_S)


def _remove_groups() -> None:
    for parent in (CGROUPS / _PARENT, *CGROUPS.glob(f"*/{_PARENT}")):
        for group in sorted(parent.rglob("*/"), reverse=True):
            group.rmdir()
        with suppress(FileNotFoundError):
            parent.rmdir()
