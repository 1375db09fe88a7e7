"""Takes the pictures of Flower that the pages show: real jobs, a real worker, Chromium without a window.

    python docs/screenshots.py [FOLDER]
    python docs/screenshots.py --grafana http://admin:PASSWORD@127.0.0.1:3000 FOLDER

Needs what the tests need, and `chromium`. Without a FOLDER the pictures of the pages are replaced. The second
command takes a picture of the dashboard in a running Grafana, as `compose.yaml` starts it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs import running_flower, running_redis, running_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from celery.result import AsyncResult

_USER = "pages:pictures"
_JOBS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("echo hello", "bash", {}),
    ("python -c 'print(6*7)'", "python", {}),
    ("exit 3", "bash", {}),
    ("sleep 60", "bash", {"timeout": 1}),
    ("python -c 'x = bytearray(1 << 30)'", "python", {"memory": "64m"}),
    ("exit 1", "bash", {"check": True}),
    ("sleep 30", "bash", {}),
)


def main(folder: Path, grafana: str | None) -> None:
    """Take the pictures of Flower, or that of Grafana if its address is given."""
    with tempfile.TemporaryDirectory(prefix="cellblock-pictures-") as scratch:
        if grafana:
            take(f"{grafana}/d/cellblock?kiosk", folder / "grafana.png", Path(scratch))
        else:
            take_flower(folder, Path(scratch))


def take_flower(folder: Path, scratch: Path) -> None:
    """Run some jobs, each of another kind, and take a picture of every page that shows them."""
    with ExitStack() as stack:
        broker = f"{stack.enter_context(running_redis(scratch))}/0"
        flower = stack.enter_context(running_flower(scratch, broker, _USER))
        stack.enter_context(running_worker(scratch, broker, "--concurrency=4", "--hostname=worker@cells"))
        running = run_jobs(broker)
        for page, name in (("tasks", "flower-tasks"), (f"task/{running.id}", "flower-task")):
            take(f"http://{_USER}@{flower}/{page}", folder / f"{name}.png", scratch)
        running.revoke(terminate=True)


def run_jobs(broker: str) -> AsyncResult[object]:
    """Send the jobs, and wait until only the last one runs."""
    os.environ["CELLBLOCK_BROKER_URL"] = broker
    from tasks import run_sandboxed

    *jobs, running = [run_sandboxed.delay(cmd, runtime, **rest) for cmd, runtime, rest in _JOBS]
    wait_until(lambda: all(job.ready() for job in jobs), 60, "the jobs have ended")
    return running


def take(address: str, picture: Path, scratch: Path) -> None:
    """Take a picture of the page, after its scripts have had time to run."""
    program = shutil.which("chromium") or sys.exit("screenshots: there is no chromium")
    options = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,640"),
        *(f"--user-data-dir={scratch / 'chromium'}", "--virtual-time-budget=5000"),
    )
    subprocess.run([program, *options, f"--screenshot={picture}", address], check=True, capture_output=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).with_name("figures"))
    parser.add_argument("--grafana")
    main(**vars(parser.parse_args()))
