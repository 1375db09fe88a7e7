"""What `import tasks` does in an app, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.programs import ROOT

NO_NETWORK = """
import sys
def forbid(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        raise SystemExit(f"the import does {event}{arguments}")
sys.addaudithook(forbid)
"""


def python(program: str, timeout: str = "soon") -> str:
    """What `program` prints in a new interpreter. The default `timeout` would stop a worker at its start."""
    env = {
        "PYTHONPATH": str(ROOT),
        "CELLBLOCK_BROKER_URL": "redis://192.0.2.1:1/0",
        "DOCKER_TIMEOUT": timeout,
    }
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "module",
    [
        "docker",
        "requests",
        "redis.connection",
        "tasks.live",
        "typer",
        "rich",
        "psutil",
        "prometheus_client",
        "opentelemetry",
    ],
)
def test_importing_tasks_does_not_import(module: str) -> None:
    assert python(f"import tasks, sys; print({module!r} in sys.modules)") == "False\n"


def test_importing_tasks_touches_no_network_and_reads_no_settings() -> None:
    assert python(f"{NO_NETWORK}\nimport tasks; print('imported')") == "imported\n"


def test_the_addresses_of_another_celery_app_in_the_environment_are_not_taken() -> None:
    others = """
import os
os.environ |= dict.fromkeys(("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"), "redis://other:1/0")
os.environ["CELLBLOCK_BROKER_URL"] = "redis://ours:2/0"
from tasks import app
broker = {one.hostname for one in (app.connection_for_read(), app.connection_for_write(), app.connection())}
print(broker, app.backend.as_uri())
"""
    assert python(others, timeout="1000") == "{'ours'} redis://ours:2/0\n"


def test_importing_tasks_takes_a_quarter_of_what_its_libraries_take_at_most() -> None:
    timed = """
from time import process_time
before = process_time()
import celery.app.task, celery.backends.redis, pydantic_settings
between = process_time()
import tasks
print((process_time() - between) / (between - before))
"""
    assert min(float(python(timed)) for _ in range(3)) < 0.25


def test_tasks_exports_the_app_the_task_and_what_follows_it() -> None:
    import tasks

    assert tasks.__all__ == ["BrokerUnreachable", "app", "cancel", "follow", "follow_async", "run_sandboxed"]
    assert all(hasattr(tasks, name) for name in tasks.__all__)
    assert tasks.app.tasks["cellblock.run_sandboxed"].name == tasks.run_sandboxed.name


APP = """
import os, sys, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "nothing"
before = {before}
if before: import tasks
from celery import Celery, current_app, shared_task, signals
from kombu import serialization
mine = Celery("mine", broker="memory://", backend="cache+memory://", fixups=[])
mine.set_default()
registry = dict(serialization.registry._decoders)
path = list(sys.path)
if not before: import tasks
@shared_task
def theirs(): return 1
def seen():
    found.append((theirs.app.main, current_app.main))
found = []
seen()
thread = threading.Thread(target=seen); thread.start(); thread.join()
listening = [name for name in dir(signals) if getattr(getattr(signals, name), "receivers", None)]
print(set(found), sys.path == path, serialization.registry._decoders == registry, listening)
print(tasks.run_sandboxed.app.main, tasks.run_sandboxed.s("true").app.main)
"""


@pytest.mark.parametrize("before", [True, False])
def test_an_app_of_its_own_stays_the_current_one(before: bool) -> None:
    said = python(APP.replace("{before}", str(before)), "30000").splitlines()
    assert said == ["{('mine', 'mine')} True True []", "cellblock cellblock"]
