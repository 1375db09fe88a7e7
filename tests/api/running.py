"""A running API, and a caller of it."""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from tests.preloaded import Running, start
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Api", "Caller", "running_api"]

_START_S, _STOP_S, _ANSWER_S = 30.0, 20.0, 90.0


@dataclass(frozen=True)
class Caller:
    """Calls the API with one token."""

    url: str
    token: str | None = None
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer to a request."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.http.request(method, f"{self.url}{path}", headers=headers, timeout=_ANSWER_S, **options)

    @property
    def headers(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def submit(self, cmd: str | None, wait: float = 0, **options: Any) -> requests.Response:
        """The answer to a request to run a command in bash."""
        headers, query = options.pop("headers", {}), options.pop("query", "")
        job = {"cmd": cmd, "runtime": "bash", **options}
        return self.call("POST", f"/v1/jobs?wait={wait}{query}", json=job, headers=headers)

    def result(self, cmd: str, **options: Any) -> dict[str, Any]:
        """The result of a command."""
        about = self.submit(cmd, 60, **options).json()
        assert about["state"] == "done", about
        result: dict[str, Any] = about["result"]
        return result

    def started(self, cmd: str, **options: Any) -> str:
        """The id of a job that runs."""
        job_id: str = self.submit(cmd, **options).json()["id"]
        wait_until(lambda: self.look(job_id).json()["state"] == "running", 30, "the job runs")
        return job_id

    def look(self, job_id: str, wait: float = 0) -> requests.Response:
        """The answer to a look at a job."""
        return self.call("GET", f"/v1/jobs/{job_id}?wait={wait}")

    def cancel(self, job_id: str) -> requests.Response:
        """The answer to a request to cancel a job."""
        return self.call("DELETE", f"/v1/jobs/{job_id}")

    def events(self, job_id: str, after: str | None = None) -> list[dict[str, Any]]:
        """All events of a job, to its end."""
        headers = {"Last-Event-ID": after} if after else {}
        answer = self.call("GET", f"/v1/jobs/{job_id}/events", headers=headers)
        assert answer.status_code == 200, answer.text
        return [event for block in answer.text.split("\n\n") if (event := _event(block))]


def _event(block: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
    return fields | {"data": json.loads(fields["data"])} if "data" in fields else {}


@dataclass(frozen=True)
class Api:
    """A running API, its file of tokens and its log."""

    process: Running
    url: str
    tokens: Path | None
    log_file: Path

    def caller(self, token: str | None) -> Caller:
        """A caller with a token."""
        return Caller(self.url, token)

    def log(self) -> str:
        """Everything that it has logged."""
        return self.log_file.read_text()


@contextmanager
def running_api(folder: Path, broker_url: str, tokens: str | None = None, **settings: str) -> Iterator[Api]:
    """Run the API, given once it listens. SIGTERM must end it with exit code 0, within its bound."""
    log_file, file = folder / f"api-{secrets.token_hex(4)}.log", None
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url} | settings
    if tokens is not None:
        file = folder / f"tokens-{secrets.token_hex(4)}"
        file.write_text(tokens)
        file.chmod(0o600)
        env["CELLBLOCK_API_TOKENS_FILE"] = str(file)
    with log_file.open("wb") as log:
        process = start("cli", "api", "--port=0", env=env, output=log)
    try:
        wait_until(
            lambda: "startup complete" in log_file.read_text() or process.poll() is not None, _START_S, "API"
        )
        found = re.search(r"Listening on (http://\S+)", log_file.read_text())
        assert process.poll() is None, log_file.read_text()
        assert found, log_file.read_text()
        yield Api(process, found[1], file, log_file)
    finally:
        process.terminate()
        process.wait(_STOP_S)
    assert process.returncode == 0, log_file.read_text()
