"""The engine `oci` of a run: a store with the local images, settings, and the list of its cells."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import load_settings
from sandbox.engines.oci.engine import OciEngine
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store
from sandbox.labels import STATE

if TYPE_CHECKING:
    import docker

    from sandbox.engines.oci.store import StoredImage

__all__ = ["OciHost"]

_RUNTIMES = ("bash", "python", "cpp")
_GROUPS = Path("/sys/fs/cgroup")


class OciHost:
    """Folders of a run. Their images are those of the Docker engine, so that all contenders use the same."""

    def __init__(self, folder: Path, engine: docker.APIClient) -> None:
        # To the host, a cell's user is one that owns nothing, and it must be able to enter the store.
        folder.chmod(0o711)
        self._folder = folder
        self._store = Store(folder / "store")
        images = OciImages(self._store)
        for name in _RUNTIMES:
            images.load(engine.get_image(f"cellblock/{name}:local"))
        # In memory, as the folder that cellblock uses by itself is on most hosts.
        self._state = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir="/dev/shm"))
        self._state.chmod(0o711)

    def settings(self, oci_runtime: str) -> dict[str, Any]:
        """The settings that choose this engine."""
        return {
            "engine": "oci",
            "oci_runtime": oci_runtime,
            "store": self._folder / "store",
            "state": self._state,
        }

    def variables(self, oci_runtime: str) -> dict[str, str]:
        """The same as environment variables."""
        return {f"CELLBLOCK_{name.upper()}": str(value) for name, value in self.settings(oci_runtime).items()}

    def image(self, runtime: str) -> StoredImage:
        """The image of a runtime's cells."""
        found = self._store.find(f"cellblock/{runtime}:local")
        if found is None:
            raise LookupError(runtime)
        return found

    def remove_rest(self, run: str) -> None:
        """Remove the state folder, and the groups of the run's owners, which have no cells any more."""
        shutil.rmtree(self._state)
        for group in (*_GROUPS.glob(f"cellblock-{run}*"), *_GROUPS.glob(f"*/cellblock-{run}*")):
            group.rmdir()

    def cells(self, owner: str, state: str) -> dict[str, str]:
        """The cells of an owner, each with Docker's word for what it does. `state` is a label, or empty."""
        found = OciEngine(load_settings(owner=owner, **self.settings("crun"))).list()
        return {
            cell.name: "exited" if cell.dead_since else "running"
            for cell in found
            if not state or cell.labels.written.get(STATE) == state
        }
