"""Sends a job once, however often it is asked for under the same key."""

from __future__ import annotations

import uuid
from hashlib import sha256
from typing import TYPE_CHECKING

from api.problems import Problem
from api.sending import trace_headers
from api.store import Claim
from sandbox import JobError, QueueFull

if TYPE_CHECKING:
    from api.body import Body
    from api.requests import Call

__all__ = ["Submission"]


class Submission:
    """One request to send a job. Its id is new, or follows from the tenant and the key."""

    def __init__(self, call: Call, body: Body, key: str | None, *, live: bool) -> None:
        self._call = call
        self._body = body
        self._live = live
        self._is_keyed = key is not None
        self.job_id = str(uuid.uuid4()) if key is None else _id_of(call.caller.tenant, key)

    async def send(self) -> bool:
        """Send the job, unless that was done before. Returns whether it was sent now.

        The claim is stored first: no job is sent whose owner is not known. A job that is not known to be sent
        is sent again under the same id, and runs once all the same.

        Raises:
            InvalidJob: the request is refused.
            QueueFull: as many jobs wait as the operator allows.
            Problem: the key was used with another body; or the broker does not answer.
            redis.exceptions.RedisError: there was no answer.
        """
        store, claim = self._call.parts.store, Claim(self._call.caller.tenant, self._body.digest)
        held = await store.claim(self.job_id, claim)
        if held.digest != claim.digest:
            detail = "This Idempotency-Key was used before, with another body. Use a new key for a new job."
            raise Problem(422, "other-body", detail)
        if held.sent:
            return False
        await self._send()
        if self._is_keyed:
            await store.note_sent(self.job_id, claim)
        return True

    async def _send(self) -> None:
        call = self._call
        traces = trace_headers(call.request.headers)
        try:
            await call.parts.sender.send(self.job_id, self._body, call.caller, live=self._live, traces=traces)
        except (JobError, QueueFull):
            await call.parts.store.drop(self.job_id)
            raise


def _id_of(tenant: str, key: str) -> str:
    """The same id for the same key of the same tenant. No tenant's name has a NUL."""
    return str(uuid.UUID(bytes=sha256(f"{tenant}\0{key}".encode()).digest()[:16]))
