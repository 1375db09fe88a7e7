"""Somebody who sends jobs through the HTTP API and waits for their results."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from benchmarks.caller import Answer
from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HttpCaller", "http_caller"]

_PATIENCE_S = 60
_LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)")


class HttpCaller:
    """Takes the place of `Caller`."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=2 * _PATIENCE_S)

    def run(self, cmd: str = "echo hi", runtime: str = "bash") -> Answer:
        """Send a command and wait for its result."""
        body = json.dumps({"cmd": cmd, "runtime": runtime})
        # The API has closed a connection that was idle for some seconds.
        self._connection.close()
        self._connection.connect()
        started = time.perf_counter()
        path, headers = f"/v1/jobs?wait={_PATIENCE_S}", {"Content-Type": "application/json"}
        self._connection.request("POST", path, body, headers)
        about: dict[str, Any] = json.loads(self._connection.getresponse().read())
        seconds = time.perf_counter() - started
        if about.get("state") != "done" or about["error"]:
            raise BenchError(f"A job did not end, or ended wrong: {about}")
        return Answer(about["result"], seconds)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def http_caller(broker_url: str) -> Iterator[HttpCaller]:
    """A caller of an API of its own, which ends with the context."""
    command = [sys.executable, "-m", "cli", "api", "--port=0"]
    env = os.environ | {"CELLBLOCK_BROKER_URL": broker_url}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            caller = HttpCaller(_port(process))
            yield caller
            caller.close()
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> int:
    for line in process.stderr or ():
        if found := _LISTENING.search(line):
            return int(found[1])
    raise BenchError("The API has not started.")
