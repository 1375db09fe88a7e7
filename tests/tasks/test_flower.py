"""Flower: what it shows, what it hides, its HTTP API, and the page itself in a browser."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from celery.result import AsyncResult

from tests.browser import running_browser
from tests.conftest import unavailable
from tests.programs import ROOT, Worker, running_flower
from tests.waiting import wait_until

pytestmark = pytest.mark.engine

PAGE = ROOT / "docs" / "how-to" / "call-from-another-language.md"
USER, PASSWORD = "operator", secrets.token_hex(8)

Send = Callable[..., "AsyncResult[Any]"]


@dataclass(frozen=True, slots=True)
class Flower:
    """A running Flower. `url` is its address."""

    url: str

    def get(self, path: str) -> requests.Response:
        """Its answer to the operator."""
        return requests.get(f"{self.url}/{path}", auth=(USER, PASSWORD), timeout=30)


@pytest.fixture(scope="module")
def flower(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """`cellblock flower` beside the session's worker."""
    folder = tmp_path_factory.mktemp("flower")
    with running_flower(folder, worker.broker_url, f"{USER}:{PASSWORD}") as address:
        running = Flower(f"http://{address}")
        wait_until(lambda: _knows_a_worker(running), 30, "Flower has met the worker")
        yield running


def _knows_a_worker(flower: Flower) -> bool:
    try:
        answer = flower.get("api/workers?refresh=1&status=1")
    except requests.ConnectionError:
        return False
    return answer.ok and answer.json() != {}


def _wait_for(flower: Flower, task_id: str, state: str) -> dict[str, object]:
    return wait_until(
        lambda: _in_state(flower.get(f"api/task/info/{task_id}"), state), 20, f"Flower shows {state}"
    )


def _in_state(answer: requests.Response, state: str) -> dict[str, object]:
    about: dict[str, object] = answer.json() if answer.ok else {}
    return about if about.get("state") == state else {}


@pytest.mark.parametrize("path", ["", "tasks", "workers", "api/workers", "api/tasks"])
def test_nothing_is_shown_without_the_password(flower: Flower, path: str) -> None:
    assert requests.get(f"{flower.url}/{path}", timeout=30).status_code == 401
    assert requests.get(f"{flower.url}/{path}", auth=(USER, "guess"), timeout=30).status_code == 401


def test_no_command_no_input_and_no_output_is_shown_whoever_sent_the_job(flower: Flower, send: Send) -> None:
    job = send("echo word-1 $A; cat f; sleep 3", "bash", env={"A": "word-2"}, files={"f": "word-3"})
    while_it_runs = _wait_for(flower, job.id, "STARTED")
    assert (while_it_runs["args"], while_it_runs["kwargs"]) == ("('…', 'bash')", "['env', 'files']")
    workers = flower.get("api/workers?refresh=1").text + flower.get("workers").text
    assert job.get(timeout=20)["stdout"] == "word-1 word-2\nword-3"
    at_its_end = _wait_for(flower, job.id, "SUCCESS")
    assert "'status': 'succeeded'" in str(at_its_end["result"])
    pages = [flower.get(f"task/{job.id}").text, flower.get("tasks").text, workers]
    assert "word-" not in json.dumps(while_it_runs) + json.dumps(at_its_end) + "".join(pages)


def test_the_page_of_the_broker_shows_how_long_the_queue_is(flower: Flower) -> None:
    lengths = flower.get("api/queues/length")
    names = [queue["name"] for queue in lengths.json()["active_queues"]]
    assert (lengths.status_code, "cellblock" in names) == (200, True)
    assert "cellblock" in flower.get("broker").text.partition("<tbody>")[2]


def test_prometheus_gets_its_events(flower: Flower, send: Send) -> None:
    send("true").get(timeout=20)
    wait_until(
        lambda: 'task="cellblock.run_sandboxed",type="task-succeeded"' in flower.get("metrics").text,
        10,
        "the event is counted",
    )


def test_the_line_of_curl_on_the_page_cancels_a_job(flower: Flower, send: Send) -> None:
    (line,) = re.findall(r"^curl .*/revoke/.*$", PAGE.read_text(), re.MULTILINE)
    job = send("echo begun; sleep 30")
    _wait_for(flower, job.id, "STARTED")
    address = flower.url.replace("://", f"://{USER}:{PASSWORD}@")
    variables = {"PATH": os.environ["PATH"], "FLOWER": address, "ID": job.id}
    subprocess.run(["sh", "-euc", line], env=variables, check=True, stdout=subprocess.DEVNULL)
    result = job.get(timeout=20)
    assert (job.state, result["status"], result["stdout"]) == ("SUCCESS", "cancelled", "begun\n")


def test_an_operator_sees_a_running_job_in_the_browser_and_terminates_it(flower: Flower, send: Send) -> None:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        unavailable("There is no Chromium. Try: apt-get install chromium chromium-driver")
    job = send("echo secret-word; sleep 60", "bash")
    _wait_for(flower, job.id, "STARTED")
    with running_browser() as browser:
        # Here the first address has the password that a person types in. The browser sends it from then on.
        browser.open(flower.url.replace("://", f"://{USER}:{PASSWORD}@"))
        browser.open(f"{flower.url}/tasks")
        wait_until(
            lambda: f"{job.id}\tSTARTED\t('…', 'bash')" in browser.text("#tasks-table"),
            15,
            "the job is in the table",
        )
        browser.click(f'a[href$="/task/{job.id}"]')
        wait_until(lambda: "STARTED" in browser.text(), 15, "the job's page says that it runs")
        browser.click("#task-terminate")
        result = job.get(timeout=20)
        assert result["status"] == "cancelled"
        _wait_for(flower, job.id, "SUCCESS")
        browser.open(f"{flower.url}/task/{job.id}")
        wait_until(lambda: "cancelled" in browser.text(), 15, "the page shows the result")
        assert "secret-word" not in browser.text()
