"""Watches a Docker engine's containers from outside: which job started where and when, and what is left."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import docker
import requests.exceptions
import urllib3.exceptions

from tests.chaos.cell_log import CellLog, CellStart

__all__ = ["CellWatch", "containers_of", "volumes_of"]

_AGAIN_S = 0.2


class CellWatch(CellLog):
    """Reads the engine's events, and connects again after the engine was away. A context."""

    def __init__(self, url: str, owner: str) -> None:
        super().__init__()
        self._url = url
        self._owner = owner
        self._since = time.time()
        self._client: docker.APIClient | None = None

    def _work(self) -> None:
        while not self._closing.is_set():
            with suppress(
                docker.errors.DockerException,
                requests.exceptions.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
            ):
                self._read()
            self._closing.wait(_AGAIN_S)

    def _read(self) -> None:
        """Read the events in short intervals, because a read without an end could not be stopped."""
        client = docker.APIClient(self._url, version="1.41", timeout=5)
        try:
            while not self._closing.is_set():
                until = time.time()
                if until > self._since:
                    filters = {"type": "container", "label": f"cellblock.owner={self._owner}"}
                    # Fractions of seconds: the engine accepts them, but the SDK's types do not.
                    span: Any = {"since": self._since, "until": until}
                    for event in client.events(**span, filters=filters, decode=True):
                        self._take(event)
                    self._since = until
                self._closing.wait(_AGAIN_S)
        finally:
            client.close()

    def _take(self, event: dict[str, Any]) -> None:
        about, at = event["Actor"]["Attributes"], event["timeNano"] / 1e9
        name, job_id = about["name"], about.get("cellblock.task")
        if event["Action"] == "start" and job_id:
            self.note_start(CellStart(job_id, about["cellblock.worker"], name, at))
        elif event["Action"] == "die":
            self.note_end(name, at)


def containers_of(client: docker.APIClient, owner: str) -> list[str]:
    """The names of an owner's containers, in any state."""
    found = client.containers(all=True, filters={"label": f"cellblock.owner={owner}"})
    return [(cell["Names"] or [cell["Id"]])[0].removeprefix("/") for cell in found]


def volumes_of(client: docker.APIClient) -> list[str]:
    """The names of all volumes. No cell should have one."""
    return [volume["Name"] for volume in client.volumes()["Volumes"] or []]
