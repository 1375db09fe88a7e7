"""Jobs sent by name, as an app sends them that has nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery
    from celery.result import AsyncResult

TASK = "cellblock.run_sandboxed"
ANSWER_S = 40.0


class Send(Protocol):
    """`delay` of a task that is known by its name alone."""

    def __call__(self, *args: object, **kwargs: object) -> AsyncResult[Any]:
        """The handle of a job that has been sent."""


@pytest.fixture
def send(byname: Celery) -> Send:
    """Sends to the session's worker."""
    return lambda *args, **kwargs: byname.send_task(TASK, args, kwargs)


@pytest.fixture
def ask(send: Send) -> Callable[..., dict[str, Any]]:
    """Sends to the session's worker and waits for what comes back."""

    def answer(*args: object, **kwargs: object) -> dict[str, Any]:
        result: dict[str, Any] = send(*args, **kwargs).get(timeout=ANSWER_S)
        return result

    return answer
