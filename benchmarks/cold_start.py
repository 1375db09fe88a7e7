"""A cold cell against `docker run --rm` with the same hardening flags: one `echo`, in turn, in one run.

    make bench            or: python benchmarks/cold_start.py [PAIRS]

Prints the medians in milliseconds and the ratio. "answer" is the time to the result, "gone" the time until
no trace of the container is left, which is what `docker run --rm` waits for.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from config import load_catalogue, load_settings
from sandbox import Sandbox
from sandbox.docker_client import connect
from sandbox.image_choice import ImageChoice
from sandbox.profile import CELL_USER

WARM_UPS = 3


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    if shutil.which("docker") is None:
        sys.exit("cold_start: there is no docker command to compare with. Try: apt-get install docker-cli")
    command = docker_run()
    answers, gone, runs = [], [], []
    with Sandbox() as sandbox:
        for number in range(pairs + WARM_UPS):
            answer_s, gone_s = cell(sandbox)
            run_s = timed(command)
            if number >= WARM_UPS:
                answers.append(answer_s)
                gone.append(gone_s)
                runs.append(run_s)
    report(answers, gone, runs)


def cell(sandbox: Sandbox) -> tuple[float, float]:
    """Seconds to the result of a cold `echo`, and until its cell is gone."""
    started = time.perf_counter()
    if sandbox.run("echo hi", "bash").stdout != "hi\n":
        sys.exit("cold_start: the cell gave a wrong answer")
    answer_s = time.perf_counter() - started
    sandbox.settle()
    return answer_s, time.perf_counter() - started


def timed(command: list[str]) -> float:
    """Seconds of wall time of `command`."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def docker_run() -> list[str]:
    """The command line with the flags that `sandbox.profile` stands for."""
    room = "size=64m,nr_inodes=16384,nosuid,nodev"
    limits = ["--memory=512m", "--memory-swap=512m", "--cpus=2", "--pids-limit=128", "--oom-score-adj=900"]
    ulimits = [f"--ulimit={limit}" for limit in ("core=0", "nofile=1024", "fsize=67108864", "msgqueue=0")]
    walls = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", f"--user={CELL_USER}"]
    spaces = [
        "--network=none",
        "--ipc=private",
        "--cgroupns=private",
        "--log-driver=none",
        "--no-healthcheck",
    ]
    disks = [
        f"--tmpfs=/workspace:rw,exec,{room},mode=0700,uid=65534,gid=65534",
        f"--tmpfs=/tmp:rw,noexec,{room}",
    ]
    return ["docker", "run", "--rm", *walls, *spaces, *limits, *ulimits, *disks, image(), "echo", "hi"]


def image() -> str:
    """The id of the image that cells of the bash runtime are made from."""
    settings = load_settings()
    client = connect(settings)
    found = ImageChoice(client).choose(load_catalogue(settings.runtimes)["bash"])
    client.close()
    return found.id


def report(answers: list[float], gone: list[float], runs: list[float]) -> None:
    """A table for people, and the same as one line of JSON."""
    run_ms = statistics.median(runs) * 1000
    title = f"{len(runs)} pairs, in turn"
    table = Table("what", "median ms", "of docker run", title=title, box=None)
    figures = {}
    for name, seconds in (
        ("docker run --rm", runs),
        ("cold cell, answer", answers),
        ("cold cell, gone", gone),
    ):
        median_ms = statistics.median(seconds) * 1000
        figures[name] = round(median_ms, 1)
        table.add_row(name, f"{median_ms:.1f}", f"{median_ms / run_ms:.2f}")
    Console().print(table)
    print(json.dumps({"pairs": len(runs), "median_ms": figures}))


if __name__ == "__main__":
    main()
