"""Watches the results of all jobs from outside: when each came, and whether it changed later."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis

from tests.chaos.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Collection

    from redis.client import PubSub

    from tests.chaos.durable_redis import DurableRedis

__all__ = ["RESULT_KEY", "Outcome", "ResultWatch"]

#: The start of a result's key. The job's id follows.
RESULT_KEY = "celery-task-meta-"
_FINAL = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
_LISTEN_S = 0.1
_LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Outcome:
    """The first final state of a job, the time when it was seen in Unix seconds, and all later changes."""

    state: str
    answer: Any
    at: float
    changes: list[str] = field(default_factory=list)


class ResultWatch(Watch):
    """Subscribes to the published results, and also reads their keys. A context.

    It connects to Redis without a proxy, and connects again after Redis was away.
    """

    def __init__(self, server: DurableRedis, ids: Collection[str]) -> None:
        super().__init__("result watch")
        self._server = server
        self._ids = list(ids)
        self._outcomes: dict[str, Outcome] = {}
        self._lock = threading.Lock()

    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes so far, by the jobs' ids."""
        with self._lock:
            return dict(self._outcomes)

    def _work(self) -> None:
        while not self._closing.is_set():
            with (
                suppress(redis.ConnectionError, redis.TimeoutError, redis.ResponseError),
                self._server.client() as client,
                client.pubsub(ignore_subscribe_messages=True) as ears,
            ):
                ears.psubscribe(f"{RESULT_KEY}*")
                self._follow(client, ears)
            self._closing.wait(_LISTEN_S)

    def _follow(self, client: redis.Redis, ears: PubSub) -> None:
        looked = 0.0
        while not self._closing.is_set():
            while message := ears.get_message(timeout=_LISTEN_S):
                self._note(message["channel"].removeprefix(RESULT_KEY), message["data"], heard=True)
            if time.monotonic() > looked + _LOOK_EVERY_S:
                looked = time.monotonic()
                self._look(client)

    def _look(self, client: redis.Redis) -> None:
        texts = client.mget([RESULT_KEY + job_id for job_id in self._ids])
        for job_id, text in zip(self._ids, texts, strict=True):
            if text is not None:
                self._note(job_id, text, heard=False)
            elif job_id in self._outcomes:
                self._note_gone(job_id)

    def _note(self, job_id: str, text: str | bytes, *, heard: bool) -> None:
        """Note a state. A published one may be older than the stored one, so only a final one is a change."""
        record = json.loads(text)
        state, answer = record["status"], record["result"]
        with self._lock:
            known = self._outcomes.get(job_id)
            if known is None:
                if state in _FINAL:
                    self._outcomes[job_id] = Outcome(state, answer, time.time())
            elif (state, answer) != (known.state, known.answer) and (state in _FINAL or not heard):
                change = f"{known.state} became {state}"
                if change not in known.changes:
                    known.changes.append(change)

    def _note_gone(self, job_id: str) -> None:
        changes = self._outcomes[job_id].changes
        if "its key is gone" not in changes:
            changes.append("its key is gone")
