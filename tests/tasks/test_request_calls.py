"""Messages that are not calls: a worker refuses them and takes the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

TASK = "cellblock.run_sandboxed"


@pytest.mark.parametrize("body", [5, None, "text", [], [1], [5, {}, {}], [[], 5, {}]])
def test_a_message_that_is_no_call_fails_and_the_worker_goes_on(
    byname: Celery, ask: Callable[..., dict[str, Any]], body: object
) -> None:
    task_id = f"no-call-{json.dumps(body)}"
    with byname.connection_for_write() as connection, connection.channel() as channel:
        producer = byname.amqp.Producer(channel)
        headers = {"task": TASK, "id": task_id, "lang": "py"}
        producer.publish(body, routing_key="cellblock", headers=headers, serializer="json")

    assert ask("echo alive")["stdout"] == "alive\n"
    failure: AsyncResult[Any] = AsyncResult(task_id, app=byname)
    with pytest.raises(Exception, match="no call") as refusal:
        failure.get(timeout=20)
    assert type(refusal.value).__name__ == "InvalidJob"


@pytest.mark.parametrize("name", ["self", "settings", "catalogue", "detected"])
def test_no_name_of_the_codes_own_is_an_argument(byname: Celery, name: str) -> None:
    handle = byname.send_task(TASK, ["true"], {name: 1})
    with pytest.raises(Exception, match=f"no argument '{name}'") as refusal:
        handle.get(timeout=20)
    assert type(refusal.value).__name__ == "InvalidJob"
