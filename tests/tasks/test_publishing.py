"""The error that an app gets when it sends a job while Redis is unreachable."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.programs import ROOT, free_port


def app(program: str, **settings: str) -> str:
    """What `program` prints in a new interpreter. Its jobs go to a Redis that does not exist."""
    away = {"CELLBLOCK_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0", "ENABLE_DOCKER": "false"}
    env = os.environ | {"PYTHONPATH": str(ROOT)} | away | settings
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


SEND = """
import time
from tasks import BrokerUnreachable, run_sandboxed
began = time.monotonic()
try:
    {call}
except BrokerUnreachable as error:
    print(type(error).__name__, "cannot be reached" in str(error), time.monotonic() - began < 4)
"""


def test_an_app_knows_within_its_bound_that_a_job_was_not_sent() -> None:
    out = app(SEND.format(call="run_sandboxed.delay('true')"), CELLBLOCK_PUBLISH_TIMEOUT="1")
    assert out == "BrokerUnreachable True True\n"


def test_an_app_that_asks_for_a_result_knows_it_too() -> None:
    call = "run_sandboxed.AsyncResult('some-id').get(timeout=1)"
    assert app(SEND.format(call=call), CELLBLOCK_PUBLISH_TIMEOUT="1") == "BrokerUnreachable True True\n"


def test_an_eager_task_needs_no_redis() -> None:
    program = "import tasks; tasks.app.conf.task_always_eager = True; "
    program += "print(tasks.run_sandboxed.delay('echo eager').get()['stdout'])"
    assert app(program) == "eager\n\n"
