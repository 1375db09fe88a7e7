"""A real registry on this host, which asks for a password, and from which skopeo pulls without TLS."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from tests.programs import free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["PrivateRegistry", "running_registry"]

USER, PASSWORD = "app", "secret"
# The bcrypt hash of the password.
_LOGIN = f"{USER}:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class PrivateRegistry:
    """The registry's address, its folder, and its process."""

    host: str
    folder: Path
    process: subprocess.Popen[bytes]

    def environment(self, password: str | None = PASSWORD, *, insecure: bool = True) -> dict[str, str]:
        """The variables with which skopeo finds this password, and a registry without TLS if `insecure`."""
        home = self.folder / f"home-{password}-{insecure}"
        (home / ".config/containers").mkdir(parents=True, exist_ok=True)
        trust = f'[[registry]]\nlocation = "{self.host}"\ninsecure = true\n' if insecure else ""
        (home / ".config/containers/registries.conf").write_text(trust)
        (home / "auth.json").write_text(json.dumps({"auths": self._logins(password)}))
        return {"HOME": str(home), "REGISTRY_AUTH_FILE": str(home / "auth.json")}

    def push(self, image: Iterable[bytes], name: str) -> str:
        """Push an image in the format of `docker save` under a name in this registry. Gives its digest."""
        archive, digest = self.folder / "pushed.tar", self.folder / "digest"
        with archive.open("wb") as file:
            file.writelines(image)
        self.copy(f"docker-archive:{archive}", f"docker://{self.host}/{name}", "--digestfile", str(digest))
        return digest.read_text()

    def copy(self, source: str, target: str, *options: str) -> None:
        """Run `skopeo copy` with the right password."""
        login = ("--dest-creds", f"{USER}:{PASSWORD}", "--dest-tls-verify=false")
        wanted = login if target.startswith("docker://") else ()
        command = ("skopeo", "copy", "--quiet", *wanted, *options, source, target)
        subprocess.run(command, check=True, timeout=60)

    def push_list(self, name: str, tag: str, images: dict[str, str]) -> str:
        """Push a list of images of `name`, each given by its architecture and digest. Gives its digest."""
        entries = [self._entry(name, architecture, digest) for architecture, digest in images.items()]
        body = json.dumps({"schemaVersion": 2, "mediaType": _LIST, "manifests": entries}).encode()
        self._ask(f"{name}/manifests/{tag}", "PUT", _LIST, body)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def blob(self, digest: str) -> Path:
        """The file in which the registry keeps a manifest, a configuration or a layer."""
        hexes = digest.removeprefix("sha256:")
        return self.folder / "data/docker/registry/v2/blobs/sha256" / hexes[:2] / hexes / "data"

    def manifest(self, digest: str) -> dict[str, Any]:
        """The manifest of this digest."""
        manifest: dict[str, Any] = json.loads(self.blob(digest).read_text())
        return manifest

    def _entry(self, name: str, architecture: str, digest: str) -> dict[str, Any]:
        size = self.blob(digest).stat().st_size
        platform = {"architecture": architecture, "os": "linux"}
        return {"mediaType": _MANIFEST, "digest": digest, "size": size, "platform": platform}

    def _ask(self, path: str, method: str, kind: str, body: bytes) -> None:
        login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": kind}
        request = Request(f"http://{self.host}/v2/{path}", body, headers, method=method)
        urlopen(request, timeout=30).close()  # noqa: S310  a registry of this host

    def _logins(self, password: str | None) -> dict[str, dict[str, str]]:
        login = b64encode(f"{USER}:{password}".encode()).decode()
        return {self.host: {"auth": login}} if password else {}


@contextmanager
def running_registry(folder: Path) -> Iterator[PrivateRegistry]:
    """Run Debian's `docker-registry` on a free port of the loopback interface."""
    host, log = f"127.0.0.1:{free_port()}", folder / "registry.log"
    (folder / "login").write_text(_LOGIN)
    about = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "login")}},
    }
    (folder / "registry.yml").write_text(json.dumps(about))
    program = shutil.which("docker-registry") or "docker-registry"
    with log.open("wb") as output:
        command = [program, "serve", str(folder / "registry.yml")]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until(lambda: b"listening on" in log.read_bytes(), _START_S, "the registry listens")
        yield PrivateRegistry(host, folder, process)
    finally:
        process.terminate()
        process.wait(_START_S)
