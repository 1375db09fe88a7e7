"""Watches an engine's containers from outside: which job started where and when, and what is left."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import docker
import requests.exceptions
import urllib3.exceptions

if TYPE_CHECKING:
    from tests.chaos.engine import PrivateEngine

__all__ = ["CellStart", "CellWatch", "containers_of", "volumes_of"]

_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class CellStart:
    """A container that was started for a job, and the time of the start in Unix seconds."""

    job_id: str
    worker: str
    container: str
    at: float


class CellWatch:
    """Reads the engine's events, and connects again after the engine was away. A context."""

    def __init__(self, engine: PrivateEngine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._since = time.time()
        self._lock = threading.Lock()
        self._starts: dict[str, CellStart] = {}
        self._ends: dict[str, float] = {}
        self._client: docker.APIClient | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="cell watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._thread.join()

    def starts(self) -> list[CellStart]:
        """All starts so far, the oldest first."""
        with self._lock:
            return sorted(self._starts.values(), key=lambda start: start.at)

    def running_on(self, worker: str) -> list[str]:
        """The jobs whose cells run for the worker with this hostname, as far as the events tell."""
        with self._lock:
            open_ = (s for name, s in self._starts.items() if name not in self._ends)
            return [start.job_id for start in open_ if start.worker == worker]

    def twice_at_once(self) -> list[str]:
        """The jobs whose second cell started while the first one still ran."""
        by_job: dict[str, list[CellStart]] = {}
        for start in self.starts():
            by_job.setdefault(start.job_id, []).append(start)
        return [job_id for job_id, starts in by_job.items() if self._overlap(starts)]

    def engine_died(self) -> None:
        """Note that every running cell has ended. A new engine reports no event for cells that it ends."""
        with self._lock:
            now = time.time()
            for name in self._starts.keys() - self._ends.keys():
                self._ends[name] = now

    def _overlap(self, starts: list[CellStart]) -> bool:
        pairs = itertools.pairwise(starts)
        return any(later.at < self._ends.get(first.container, float("inf")) for first, later in pairs)

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
        client = docker.APIClient(self._engine.url, version="1.41", timeout=5)
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
        with self._lock:
            if event["Action"] == "start" and job_id:
                start = CellStart(job_id, about["cellblock.worker"], name, at)
                self._starts.setdefault(name, start)
            elif event["Action"] == "die":
                self._ends.setdefault(name, at)


def containers_of(client: docker.APIClient, owner: str) -> list[str]:
    """The names of an owner's containers, in any state."""
    found = client.containers(all=True, filters={"label": f"cellblock.owner={owner}"})
    return [(cell["Names"] or [cell["Id"]])[0].removeprefix("/") for cell in found]


def volumes_of(client: docker.APIClient) -> list[str]:
    """The names of all volumes. No cell should have one."""
    return [volume["Name"] for volume in client.volumes()["Volumes"] or []]
