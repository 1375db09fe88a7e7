"""A private Docker engine with its own containerd, folders and socket, so that a test may kill it."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import docker
import psutil
import requests.exceptions

from tests.chaos.cells import CellWatch, containers_of, volumes_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PrivateEngine"]

_START_S = 60.0
_CALL_S = 60

# Cells have no network. Without a network namespace of its own, this engine would delete the host engine's
# bridge.
_APART = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")


class PrivateEngine:
    """An engine in `folder`, with more options of dockerd. A context; needs root.

    The path must be short, because it holds sockets.
    """

    def __init__(self, folder: Path, *options: str, owner: str = "chaos") -> None:
        self.owner = owner
        self.socket = folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._options = options
        self._containerd: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Kill it: an orderly stop would keep nothing of use."""
        self.die_whole()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([path for path in mounts if path.startswith(f"{self._folder}/")]):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start each of the two daemons that does not run, without waiting until they answer."""
        if _is_over(self._containerd):
            self._containerd = self._spawn("containerd", "--config", str(self._configuration()))
        if _is_over(self._dockerd):
            (self._folder / "docker.pid").unlink(missing_ok=True)
            self._dockerd = self._spawn("dockerd", *_APART, *self._places(), *self._options)

    def wait_until_up(self) -> None:
        """Wait until the engine answers."""
        wait_until(lambda: self.answers() or _is_over(self._dockerd), _START_S, "the private engine answers")
        if _is_over(self._dockerd):
            raise RuntimeError("The private engine ended:\n" + (self._folder / "dockerd.log").read_text())

    def answers(self) -> bool:
        """Whether the engine answers."""
        with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
            client = docker.APIClient(self.url, timeout=2, version="1.41")
            try:
                return bool(client.ping())
            finally:
                client.close()
        return False

    def client(self) -> docker.APIClient:
        """A direct connection to the engine, without a proxy."""
        return docker.APIClient(self.url, version="auto", timeout=_CALL_S)

    def load(self, source: docker.APIClient, images: Iterable[str]) -> None:
        """Copy images from another engine."""
        client = self.client()
        for name in images:
            pieces = source.get_image(name)
            for line in client.load_image(pieces):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise RuntimeError(f"{name} could not be loaded: {line['error']}")
        client.close()

    def watch(self) -> CellWatch:
        """A watch of all cells."""
        return CellWatch(self.url, self.owner)

    def cells(self) -> list[str]:
        """The names of all cells, in any state."""
        with closing(self.client()) as client:
            return containers_of(client, self.owner)

    def remains(self) -> list[str]:
        """What else is left of any cell: volumes."""
        with closing(self.client()) as client:
            return [f"volume {name}" for name in volumes_of(client)]

    def remove(self, cell: str) -> None:
        """Remove a cell as an operator may do by mistake: `docker rm --force`."""
        with closing(self.client()) as client:
            client.remove_container(cell, v=True, force=True)

    def kill(self, *, whole: bool) -> None:
        """Kill dockerd, and with `whole` containerd too. Processes in containers go on."""
        for process in (self._dockerd, self._containerd if whole else None):
            if process is not None:
                process.kill()
                process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send dockerd a signal."""
        if self._dockerd is not None:
            self._dockerd.send_signal(number)

    def stop(self) -> None:
        """Stop dockerd and every container in order, as `systemctl stop` does."""
        self.send(signal.SIGTERM)
        if self._dockerd is not None:
            self._dockerd.wait(_START_S)

    def die_whole(self) -> None:
        """Kill the engine and everything that runs on it, as a power failure does."""
        self.kill(whole=True)
        shims = self._shims()
        for process in [*shims, *(child for shim in shims for child in _children(shim))]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(shims, timeout=5)

    def _shims(self) -> list[psutil.Process]:
        address = str(self._folder / "containerd.sock")
        return [p for p in psutil.process_iter(["cmdline"]) if address in (p.info["cmdline"] or ())]

    def _spawn(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        # /usr/sbin is not on an ordinary user's path, which root keeps after `su`.
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin") or program
        with (self._folder / f"{program}.log").open("ab") as log:
            command = ["unshare", "--net", path, *options]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _places(self) -> list[str]:
        return [
            f"--data-root={self._folder}/data",
            f"--exec-root={self._folder}/exec",
            f"--pidfile={self._folder}/docker.pid",
            f"--host={self.url}",
            f"--containerd={self._folder}/containerd.sock",
        ]

    def _configuration(self) -> Path:
        """Write the configuration file. Containerd can be given its folders in no other way."""
        path = self._folder / "containerd.toml"
        path.write_text(
            f'version = 2\nroot = "{self._folder}/containerd"\nstate = "{self._folder}/run"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self._folder}/containerd.sock"\n'
            f'[plugins."io.containerd.internal.v1.opt"]\npath = "{self._folder}/opt"\n'
        )
        return path


def _is_over(process: subprocess.Popen[bytes] | None) -> bool:
    return process is None or process.poll() is not None


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []
