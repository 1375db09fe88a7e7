"""A worker can't reach Redis: it gives up its running job before another worker can start that job."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psutil

from tests.chaos.proxy import StallingProxy
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from tests.chaos.conftest import Hire, Send

BRISK = {"CELLBLOCK_SILENCE": "3", "ENABLE_DOCKER": "false"}


def test_a_job_of_a_worker_that_is_cut_off_never_runs_twice_at_once(
    hire: Hire, send: Send, broker_url: str, engine: docker.APIClient
) -> None:
    port, database = broker_url.rpartition(":")[2].split("/")
    sleep = f"4.{secrets.randbelow(10**9):09}"
    with StallingProxy(int(port)) as link:
        hire("one", **BRISK, CELLBLOCK_BROKER_URL=f"redis://127.0.0.1:{link.address}/{database}")
        handle = send(f"sleep {sleep}; echo done", "bash")
        first = wait_until(lambda: _running(sleep), 20, "the job runs")
        link.stall()
        hire("two", **BRISK)
        seen: list[set[int]] = []

        def runs_elsewhere() -> bool:
            seen.append(_running(sleep))
            return bool(seen[-1] - first)

        wait_until(runs_elsewhere, 30, "another worker runs it")
        link.heal()
        result = handle.get(timeout=30)
    assert max(map(len, seen)) == 1
    assert (result["stdout"], result["worker"]) == ("done\n", "two@chaos")


def _running(sleep: str) -> set[int]:
    lines = ((process.pid, process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]))
    return {pid for pid, line in lines if line == ["sleep", sleep]}
