"""RabbitMQ as the broker, chosen by its URL alone. Results go to Redis."""

from __future__ import annotations

import secrets
import signal
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from cellblock import Cellblock
from tests.chaos.cells import containers_of
from tests.chaos.conftest import hiring
from tests.chaos.rabbit import PROGRAMS, PrivateRabbit
from tests.conftest import OWNER, unavailable
from tests.programs import run_cli, runs, unique_sleep
from tests.tasks.conftest import TASK
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from tests.chaos.conftest import Hire, Send


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbit]:
    """Gives one RabbitMQ server for all tests of this module, because its start takes seconds."""
    if not PROGRAMS.is_dir():
        unavailable("There is no RabbitMQ. Try: apt-get install rabbitmq-server")
    with PrivateRabbit(tmp_path_factory.mktemp("rabbit")) as server:
        yield server


@pytest.fixture
def settings(rabbit: PrivateRabbit, broker_url: str) -> dict[str, str]:
    """Gives the settings that an operator needs for RabbitMQ."""
    return {"CELLBLOCK_BROKER_URL": rabbit.url, "CELLBLOCK_RESULT_BACKEND": broker_url}


@pytest.fixture
def hire(settings: dict[str, str], tmp_path: Path, engine: docker.APIClient) -> Iterator[Hire]:
    """Gives a function that starts a worker."""
    with hiring(engine, tmp_path, concurrency=2, **settings) as start:
        yield start


@pytest.fixture
def send(settings: dict[str, str]) -> Iterator[Send]:
    """Gives a function that sends a job like an app that has only Celery."""
    broker, backend = settings.values()
    app = Celery("elsewhere", broker=broker, backend=backend, set_as_current=False)
    yield lambda *args, **kwargs: app.send_task(TASK, args, kwargs, queue="cellblock")
    app.close()


@pytest.fixture
def sleep() -> str:
    """Gives a command that takes two seconds and can be found by its unique text."""
    return unique_sleep(2)


def test_the_client_sends_by_rabbitmq_and_reads_from_redis(hire: Hire, settings: dict[str, str]) -> None:
    hire("one")
    cells = Cellblock(*settings.values())
    job = cells.submit("echo hi", live=True)
    assert [entry.data for entry in cells.follow(job)] == [b"1", b"hi\n", b"succeeded"]
    assert job.get(timeout=30).stdout == "hi\n"


def test_jobs_run_and_give_their_results(hire: Hire, send: Send) -> None:
    hire("one")
    handles = [send(f"echo {number}", "bash") for number in range(20)]
    assert [handle.get(timeout=40)["stdout"] for handle in handles] == [f"{n}\n" for n in range(20)]


def test_a_job_whose_process_is_killed_runs_again(hire: Hire, send: Send, sleep: str) -> None:
    worker = hire("one")
    handle = send(f"{sleep}; echo done", "bash")
    wait_until(lambda: runs(sleep), 20, "the job runs")
    for process in worker.pool():
        process.send_signal(signal.SIGKILL)
    assert handle.get(timeout=40)["stdout"] == "done\n"


def test_a_job_whose_worker_is_killed_runs_again_elsewhere(hire: Hire, send: Send, sleep: str) -> None:
    first = hire("one")
    handle = send(f"{sleep}; echo done", "bash")
    wait_until(lambda: runs(sleep), 20, "the job runs")
    first.kill()
    hire("two")
    result: dict[str, Any] = handle.get(timeout=40)
    assert (result["stdout"], result["worker"], result["attempt"]) == ("done\n", "two@chaos", 2)


def test_a_broken_connection_starts_no_second_cell(
    rabbit: PrivateRabbit, hire: Hire, send: Send, engine: docker.APIClient, sleep: str
) -> None:
    hire("one")
    handle = send(f"{sleep}; echo done", "bash")
    wait_until(lambda: runs(sleep), 20, "the job runs")
    first = containers_of(engine, OWNER)
    rabbit.close_connections()
    result = handle.get(timeout=40)
    assert ([result["container"]], result["stdout"], result["attempt"]) == (first, "done\n", 1)


def test_a_running_job_is_cancelled(hire: Hire, send: Send, settings: dict[str, str]) -> None:
    hire("one")
    handle = send(f"echo before; {(sleep := unique_sleep(60))}", "bash", timeout=60)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    outcome = run_cli("cancel", handle.id, **settings)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    result = handle.get(timeout=30)
    assert (result["status"], result["stdout"]) == ("cancelled", "before\n")


def test_messages_that_are_no_jobs_end_as_with_redis(
    hire: Hire, send: Send, settings: dict[str, str], rabbit: PrivateRabbit
) -> None:
    hire("one")
    broker, backend = settings.values()
    app = Celery("elsewhere", broker=broker, backend=backend, set_as_current=False)
    ours = {"task": TASK, "id": secrets.token_hex(8)}
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        producer = app.amqp.Producer(channel, routing_key="cellblock")
        producer.publish([["true"], {}, {}], headers=ours | {"retries": "x"})
        producer.publish([1], headers=ours | {"id": "shape"})
        producer.publish(
            b"junk", content_type="application/json", content_encoding="utf-8", headers=ours | {"id": "junk"}
        )
        producer.publish(
            b"x", headers=ours | {"id": "packed", "compression": "gzip"}, content_type="application/json"
        )
        producer.publish([[], {}, {}], headers={"task": TASK, "id": [1]})
        producer.publish("payload", headers={"task": "shop.send", "id": "1"})
        assert send("echo hi", "bash").get(timeout=40)["stdout"] == "hi\n"
        for task_id in (ours["id"], "shape", "junk", "packed"):
            error = app.AsyncResult(task_id).get(timeout=40, propagate=False)
            assert "The message is no call" in str(error)
        aside = wait_until(lambda: channel.basic_get("cellblock.foreign:cellblock", no_ack=True), 10, "aside")
        assert (aside.headers, aside.body) == ({"task": "shop.send", "id": "1"}, "payload")
        dead = wait_until(lambda: channel.basic_get("cellblock.dead", no_ack=True), 10, "dead")
        assert "its header id is not an id" in str(dead.body)
    app.close()
    assert send("echo hi", "bash").get(timeout=40)["stdout"] == "hi\n"
