"""The demo: runs real commands in real cells, through Celery and Redis, on a real worker with autoscaling.

`make demo` sets up what it needs and runs it. The exit code is 1 if a result is not the expected one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from config import format_bytes, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery.result import AsyncResult

RUNTIMES = ("bash", "python")
FLOOD = "while :; do echo flood; done"
BOMB = "python -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"
CALL = "python -c 'import socket; socket.create_connection((\"1.1.1.1\", 80), 5)'"

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, eq=False)
class Sample:
    """One job of the demo, its expected result, and what the cell prevents."""

    title: str
    cmd: str
    runtime: str
    status: str
    exit_code: int
    prevents: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    by_name: bool = False
    says: str = ""


SAMPLES = (
    Sample("a greeting", "echo Hello from a cell", "bash", "succeeded", 0, says="Hello from a cell"),
    Sample("a computation", "python -c 'print(6 * 7)'", "python", "succeeded", 0, says="42", by_name=True),
    Sample("exit 3", "exit 3", "bash", "failed", 3, by_name=True),
    Sample("a segfault", "kill -SEGV $$", "bash", "signaled", 139),
    Sample(
        "sleep past the timeout", "sleep 60", "bash", "timed_out", 143, "running on and on", {"timeout": 1}
    ),
    Sample(
        "a memory bomb", BOMB, "python", "out_of_memory", 137, "taking the host's memory", {"memory": "128m"}
    ),
    Sample("an output flood", FLOOD, "bash", "output_limit", 137, "filling Redis", {"output_limit": "16k"}),
    Sample(
        "a write to the root",
        "echo x > /etc/passwd",
        "bash",
        "failed",
        1,
        "changing the image",
        by_name=True,
        says="Read-only file system",
    ),
    Sample(
        "a network call",
        CALL,
        "python",
        "failed",
        1,
        "reaching the network",
        by_name=True,
        says="Network is unreachable",
    ),
)


def main() -> int:
    """Start everything, run all samples, stop everything. Returns 0 if every result is as expected."""
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cellblock-demo-")))
        if load_settings().engine_name == "oci":
            stack.enter_context(private_store(folder))
        provide_images()
        url = os.environ.get("CELLBLOCK_BROKER_URL") or stack.enter_context(private_redis(folder))
        os.environ["CELLBLOCK_BROKER_URL"] = url
        stack.enter_context(worker(folder))
        wrong = run_samples(enqueue(url))
    took_s = time.monotonic() - started
    console.print(
        f"{len(SAMPLES)} jobs, {wrong or 'none'} wrong, {took_s:.1f} s with the worker's start and stop"
    )
    return 1 if wrong else 0


@contextmanager
def private_store(folder: Path) -> Iterator[None]:
    """For the engine `oci`: a store of images and an owner for this run alone. Nothing of both is left."""
    owner, state = f"demo-{os.getpid()}", load_settings().state
    is_new = not state.exists()
    os.environ["CELLBLOCK_OWNER"] = owner
    os.environ.setdefault("CELLBLOCK_STORE", str(folder / "store"))
    folder.chmod(0o711)  # to the host, a cell's user is one that owns nothing
    try:
        yield
    finally:
        groups = Path("/sys/fs/cgroup")
        for empty in (*groups.glob(f"cellblock-{owner}"), *groups.glob(f"*/cellblock-{owner}")):
            empty.rmdir()
        shutil.rmtree(state / owner, ignore_errors=True)
        if is_new:
            _remove_empty(state / "ids", state)


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):  # a worker of this host uses it by now
            folder.rmdir()


def provide_images() -> None:
    """Pull the images if a registry answers soon; otherwise build them from Debian packages."""
    listed = subprocess.check_output([sys.executable, "-m", "cli", "images", "ls", "--json"])
    missing = [
        row["runtime"] for row in json.loads(listed) if not row["image"] and row["runtime"] in RUNTIMES
    ]
    if not missing:
        return
    with console.status("pulling images"):
        pulled = _cellblock("images", "pull", *missing, timeout_s=60, quiet=True)
    if not pulled:
        console.print("no registry answers: building the images from Debian packages")
        _cellblock("images", "build", *missing, timeout_s=600)


def _cellblock(*arguments: str, timeout_s: float, quiet: bool = False) -> bool:
    stderr = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "cli", *arguments]
    try:
        return subprocess.run(command, timeout=timeout_s, stderr=stderr, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def private_redis(folder: Path) -> Iterator[str]:
    """A private Redis on a free port of this host, which writes nothing to disk."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder))
    log = folder / "redis.log"
    with _process(["redis-server", *options], log):
        _wait_until(lambda: "Ready to accept" in log.read_text(), 10, "Redis did not start", log)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """A worker whose pool grows with the backlog; it finishes its jobs before it stops."""
    log = folder / "worker.log"
    command = [sys.executable, "-m", "cli", "worker", "--autoscale", "4,2", "--hostname", "demo@%h"]
    os.environ.setdefault("CELLBLOCK_PULL", "never")
    with _process(command, log):
        with console.status("starting a worker"):
            _wait_until(lambda: " ready." in log.read_text(), 30, "the worker did not start", log)
        yield


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_until(there: Any, within_s: float, problem: str, log: Path | None = None) -> None:  # noqa: ANN401
    until = time.monotonic() + within_s
    while not there():
        if time.monotonic() > until:
            sys.exit(f"demo: {problem}\n{log.read_text() if log else ''}")
        time.sleep(0.02)


def enqueue(url: str) -> dict[Sample, AsyncResult[Any]]:
    """Enqueue half of the jobs from this process, and half from an app that has only Celery."""
    from tasks import app, run_sandboxed

    jobs = {s.title: run_sandboxed.delay(s.cmd, s.runtime, **s.options) for s in SAMPLES if not s.by_name}
    named = [sample for sample in SAMPLES if sample.by_name]
    request = json.dumps([[sample.cmd, sample.runtime, sample.options] for sample in named])
    script = Path(__file__).with_name("by_name.py")
    ids = subprocess.run(
        [sys.executable, str(script), url], input=request, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    jobs |= {sample.title: app.AsyncResult(job) for sample, job in zip(named, ids, strict=True)}
    return {sample: jobs[sample.title] for sample in SAMPLES}


def run_samples(jobs: dict[Sample, AsyncResult[Any]]) -> int:
    """Print each result as it arrives. Returns the number of unexpected results."""
    wrong = 0
    _row("job", "status", "exit", "time", "peak", "the cell prevented", style="bold")
    pending = dict(jobs)
    while pending:
        for sample in [sample for sample, job in pending.items() if job.ready()]:
            result = pending.pop(sample).get()
            right = _is_right(sample, result)
            wrong += not right
            _show(sample, result, right=right)
        time.sleep(0.01)
    return wrong


def _is_right(sample: Sample, result: dict[str, Any]) -> bool:
    said = sample.says in result["stdout"] + result["stderr"]
    return said and (result["status"], result["exit_code"]) == (sample.status, sample.exit_code)


def _show(sample: Sample, result: dict[str, Any], *, right: bool) -> None:
    peak = result["memory_peak"]
    _row(
        sample.title,
        result["status"],
        str(result["exit_code"]),
        f"{result['duration'] * 1000:.0f} ms",
        format_bytes(peak) if peak else "-",
        sample.prevents if right else f"WRONG: {result['stderr'][-60:]}",
        style="" if right else "red",
    )


def _row(*cells: str, style: str) -> None:
    widths = (24, 15, 6, 9, 11, 0)
    console.print(
        Text("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), style=style)
    )


if __name__ == "__main__":
    sys.exit(main())
