"""A Docker Engine of its own, which knows gVisor's runtime and leaves nothing when it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import psutil

from config import load_settings
from sandbox import SandboxUnavailable
from sandbox.engines.cgroup import CGROUPS
from sandbox.engines.docker.client import connect
from tests.debian13.shell import CannotRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["running_engine"]

_RUNTIMES = {"runsc": {"path": "runsc", "runtimeArgs": ["--network=none"]}}
_PARENT = "cellblock-gvisor"
_START_S = 60
_END_S = 60


@contextmanager
def running_engine(folder: Path, images: Iterable[str]) -> Iterator[str]:
    """Run an engine in `folder`, with these images of this machine's own engine. Gives its address.

    Raises:
        CannotRun: it does not start.
    """
    (folder / "daemon.json").write_text(json.dumps({"runtimes": _RUNTIMES}))
    url = f"unix://{folder}/docker.sock"
    # Without a network namespace of its own, this engine would delete the host engine's bridge.
    command: list[str | Path] = [
        *(
            "unshare",
            "--net",
            "dockerd",
            "--config-file",
            folder / "daemon.json",
            "--host",
            url,
            "--pidfile",
            folder / "pid",
        ),
        *("--data-root", folder / "data", "--exec-root", folder / "exec", "--cgroup-parent", f"/{_PARENT}"),
        *("--bridge", "none", "--iptables=false", "--ip-forward=false"),
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _await(process, url, folder / "log")
            _copy(images, url)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()
            _clear(folder)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(SandboxUnavailable), closing(connect(load_settings(docker_host=url))):
            return
        time.sleep(0.1)
    raise CannotRun("\n".join(["The engine does not start:", *log.read_text().splitlines()[-8:]]))


def _copy(images: Iterable[str], url: str) -> None:
    with (
        closing(connect(load_settings())) as source,
        closing(docker.APIClient(base_url=url, version="auto", timeout=300)) as target,
    ):
        for name in images:
            target.load_image(b"".join(source.get_image(name)))  # type: ignore[no-untyped-call]


def _clear(folder: Path) -> None:
    """End what the engine has left: runsc's own processes, mounts, and control groups."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(_END_S)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", mount], check=False)
    for parent in (CGROUPS / _PARENT, *CGROUPS.glob(f"*/{_PARENT}")):
        for group in sorted(parent.rglob("*/"), reverse=True):
            group.rmdir()
        with suppress(FileNotFoundError):
            parent.rmdir()
