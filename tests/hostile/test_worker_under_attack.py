"""The worker after hostile jobs: its memory, descriptors and threads, the engine's disk, the next job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from celery import Celery

from tests.programs import Worker, running, running_worker, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker
    from celery.result import AsyncResult

pytestmark = [pytest.mark.engine, pytest.mark.alone]

TASK = "cellblock.run_sandboxed"
ANSWER_S = 90.0
GIGABYTE = 1 << 30
FLOOD = f"yes {'x' * 99} | head -c {GIGABYTE}"
HOSTILE = {
    "forks": "f() { f | f & }; f; wait",
    "memory": "x=y; while :; do x=$x$x; done",
    "flood": "yes & yes >&2",
    "deaf to SIGTERM": "trap '' TERM; while :; do :; done",
    "kills everything": "kill -9 -1",
    "stops its supervisor": "kill -STOP 1; kill -STOP $$",
    "closes its streams": "exec <&- >&- 2>&-; sleep 60",
    "leaves a child": "setsid sleep 60 & exit 0",
    "fills its disk": "cat /dev/zero >/workspace/full; cat /dev/zero >/tmp/full; sleep 60",
    "never reads": "sleep 60",
}


@dataclass(frozen=True)
class Attacked:
    """A worker with one process, and an app that sends jobs to it."""

    worker: Worker
    app: Celery

    def send(self, cmd: str, **request: object) -> AsyncResult[Any]:
        """Enqueue a command."""
        return self.app.send_task(TASK, [cmd, "bash"], request)

    def run(self, cmd: str, **request: object) -> dict[str, Any]:
        """The result of a command."""
        result: dict[str, Any] = self.send(cmd, **request).get(timeout=ANSWER_S)
        return result

    def family(self) -> list[psutil.Process]:
        """All processes of the worker."""
        parent = psutil.Process(self.worker.process.pid)
        return [parent, *parent.children(recursive=True)]

    def holdings(self) -> dict[int, tuple[int, int]]:
        """The numbers of open descriptors and threads of each process."""
        return {process.pid: (process.num_fds(), process.num_threads()) for process in self.family()}


@pytest.fixture(scope="module")
def attacked(
    redis_url: str,
    engine: docker.APIClient,
    client_of: Callable[[str], Celery],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Attacked]:
    url = f"{redis_url}/63"
    with running_worker(tmp_path_factory.mktemp("attacked"), url, "--concurrency=1") as worker:
        made = Attacked(worker, client_of(url))
        # The worker keeps connections for later jobs. After these jobs it has all that it will need.
        survive(made, "deaf to SIGTERM", "flood")
        yield made


@dataclass(frozen=True)
class Aftermath:
    """The results of the jobs after the hostile ones, and what the worker held before the first."""

    behind: dict[str, dict[str, Any]]
    held: dict[int, tuple[int, int]]


@pytest.fixture(scope="module")
def aftermath(attacked: Attacked) -> Aftermath:
    held = attacked.holdings()
    return Aftermath(survive(attacked, *HOSTILE), held)


def survive(attacked: Attacked, *names: str) -> dict[str, dict[str, Any]]:
    """The result of an ordinary job after each of the hostile jobs."""
    behind = {}
    for name in names:
        stdin = "x" * 1_000_000 if name == "never reads" else None
        hostile = attacked.send(HOSTILE[name], timeout=1, grace=0.1, memory="64m", stdin=stdin)
        behind[name] = attacked.run("echo alive")
        hostile.get(timeout=ANSWER_S)
    return behind


def peak_bytes(process: psutil.Process) -> int:
    """The peak of the process's memory since `forget_peaks`, as the kernel recorded it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


def forget_peaks(attacked: Attacked) -> int:
    """Reset the peaks that the kernel records. Returns the memory that is in use now."""
    for process in attacked.family():
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return sum(map(peak_bytes, attacked.family()))


def test_a_gigabyte_of_output_takes_64_mb_of_memory_at_most_and_no_disk(
    attacked: Attacked, engine: docker.APIClient
) -> None:
    idle, last = forget_peaks(attacked), unique_sleep(50)
    flood = attacked.send(f"{FLOOD}; {last} & wait", output_limit="16m", timeout=60)
    (end,) = wait_until(lambda: running(last), 50, "the flood is over")
    (cell,) = engine.containers(size=True, filters={"label": "cellblock.owner"})
    end.kill()

    assert flood.get(timeout=ANSWER_S)["stdout_bytes"] == GIGABYTE
    assert sum(map(peak_bytes, attacked.family())) - idle < 64 << 20
    assert cell.get("SizeRw", 0) == 0


def test_a_flood_past_the_limit_takes_no_more_memory_than_what_is_kept_of_it(attacked: Attacked) -> None:
    idle = forget_peaks(attacked)

    assert attacked.run(f"head -c {GIGABYTE} /dev/zero", timeout=60)["status"] == "output_limit"
    assert sum(map(peak_bytes, attacked.family())) - idle < 32 << 20


@pytest.mark.parametrize("name", HOSTILE)
def test_the_next_job_runs_as_if_nothing_had_been(aftermath: Aftermath, name: str) -> None:
    behind = aftermath.behind[name]
    assert (behind["status"], behind["stdout"], behind["attempt"]) == ("succeeded", "alive\n", 1)


def test_descriptors_and_threads_are_what_they_were(attacked: Attacked, aftermath: Aftermath) -> None:
    def nothing_more() -> bool:
        now, before = attacked.holdings(), aftermath.held
        return now.keys() == before.keys() and all(
            had >= have for pid in now for had, have in zip(before[pid], now[pid], strict=True)
        )

    wait_until(nothing_more, 15, "the same processes hold no more than before")
