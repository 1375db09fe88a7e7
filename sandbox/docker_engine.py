"""Cells that are Docker containers."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sandbox.cell import CellInfo
from sandbox.docker_cell import DockerCell
from sandbox.docker_client import connect, mapped_errors
from sandbox.errors import ImageMissing
from sandbox.image_choice import ImageChoice
from sandbox.profile import container_config
from sandbox.remover import Remover

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from config import Settings
    from sandbox.cell import JobTags
    from sandbox.image_choice import Image
    from sandbox.job import Job

__all__ = ["DockerEngine"]


class DockerEngine:
    """Makes a hardened container for each job and removes it, whatever happened in it.

    One for each process: a connection does not survive a fork.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: tuple[docker.APIClient, ImageChoice] | None = None
        self._remover = Remover(lambda: connect(settings), bound_s=settings.margin)

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[DockerCell]:
        """A started container with its streams attached, removed when the block is left.

        Raises:
            SandboxUnavailable: no engine, no image, or the engine failed; nothing is left then either.
        """
        client, images = self._connect()
        image = images.choose(job.runtime)
        name = f"cellblock-{secrets.token_hex(6)}"
        try:
            self._create(client, job, tags, image, name)
            info = CellInfo(engine="docker", image=image.name, image_id=image.id, container=name)
            with DockerCell(client, info, bound_s=self._settings.margin) as cell:
                yield cell
        except ImageMissing:
            images.forget(job.runtime)
            raise
        finally:
            # By name, and also after a failure: a create that was given up may have happened all the same.
            self._remover.remove(name)

    def settle(self) -> None:
        """Wait until the containers of all jobs that have ended are gone."""
        self._remover.settle()

    def close(self) -> None:
        """Wait until every container of this process is gone, then hang up."""
        self._remover.close()
        with self._lock:
            if self._connection:
                self._connection[0].close()
            self._connection = None

    def _connect(self) -> tuple[docker.APIClient, ImageChoice]:
        with self._lock:
            if self._connection is None:
                client = connect(self._settings)
                self._connection = client, ImageChoice(client)
            return self._connection

    def _create(self, client: docker.APIClient, job: Job, tags: JobTags, image: Image, name: str) -> None:
        config = container_config(
            image=image.id,
            limits=job.limits,
            labels=self._labels(job, tags),
            env=job.runtime.environment(job.limits.memory_bytes),
            volumes=image.volumes,
            network=job.network,
            oci_runtime=self._settings.oci_runtime,
        )
        with mapped_errors("create a cell"):
            client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]

    def _labels(self, job: Job, tags: JobTags) -> dict[str, str]:
        reap_s = job.ladder(self._settings.margin).reap_s
        return {
            "cellblock.owner": self._settings.owner,
            "cellblock.task": tags.task_id,
            "cellblock.worker": tags.worker,
            "cellblock.runtime": job.runtime.name,
            "cellblock.deadline": f"{time.time() + reap_s:.0f}",
            "cellblock.state": "job",
        }
