"""What only a container gives: isolation, limits that the kernel enforces, and a complete removal."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import CellLost, ImageMissing, Sandbox, Status
from sandbox.cell import JobTags
from sandbox.engines import open_engine
from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.oci.cell import OciCell
from tests.conftest import about_last_seen
from tests.engines import cells_of, environment
from tests.programs import ROOT, runs, unique_sleep
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import docker

    from sandbox import Result

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
HOG = "x = b'x' * (200 << 20)"


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """A thread in which a test can run a second job at the same time."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.parametrize("path", ["/x", "/bin/x", "/etc/x", "/usr/x", "/dev/x", "/proc/sys/kernel/hostname"])
def test_the_root_is_read_only(sandbox: Sandbox, path: str) -> None:
    result = sandbox.run(f"echo x > {path}")
    assert result.status is Status.FAILED
    assert "Read-only" in result.stderr or "Permission denied" in result.stderr


def test_the_only_network_device_is_the_loopback(sandbox: Sandbox) -> None:
    assert sandbox.run("ls /sys/class/net").stdout == "lo\n"


@pytest.mark.parametrize("name", ["localhost", "cell"])
def test_names_of_the_loopback_are_known_and_reach_a_server_of_the_job(sandbox: Sandbox, name: str) -> None:
    serve = (
        f"import socket\nserver = socket.create_server(('', 0))\n"
        f"socket.create_connection(({name!r}, server.getsockname()[1]))\nprint(socket.gethostname())"
    )
    result = sandbox.run(["python3", "-c", serve], "python")
    assert (result.stdout, result.stderr) == ("cell\n", "")


def test_no_address_can_be_reached(sandbox: Sandbox) -> None:
    connect = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert "Network is unreachable" in sandbox.run(["python3", "-c", connect], "python").stderr


def test_the_job_has_no_rights_and_gains_none(sandbox: Sandbox) -> None:
    lines = sandbox.run("cat /proc/self/status").stdout.splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4


def test_the_workspace_runs_programs_and_tmp_does_not(sandbox: Sandbox) -> None:
    script = "cp tool /tmp/tool; ./tool; /tmp/tool"
    result = sandbox.run(script, files={"tool": "#!/bin/sh\necho ran\n"})
    assert (result.stdout, result.exit_code) == ("ran\n", 126)


def test_a_job_sees_no_process_but_its_own_cells(sandbox: Sandbox) -> None:
    result = sandbox.run("ls /proc | grep -c '^[0-9]'")
    assert int(result.stdout) < 10


def test_too_much_memory_is_out_of_memory(sandbox: Sandbox) -> None:
    result = sandbox.run(["python3", "-c", HOG], "python", memory="64m")
    assert (result.status, result.exit_code) == (Status.OUT_OF_MEMORY, 137)


def test_files_count_as_memory(sandbox: Sandbox) -> None:
    result = sandbox.run("exec head -c 60000000 /dev/zero > big", memory="32m", disk="128m")
    assert result.status is Status.OUT_OF_MEMORY


def test_a_lost_child_is_forgiven_when_the_command_succeeds(sandbox: Sandbox) -> None:
    script = f'python3 -c "{HOG}"; echo went on'
    result = sandbox.run(script, "python", memory="64m")
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "went on\n")


def test_a_full_disk_gives_enospc(sandbox: Sandbox) -> None:
    result = sandbox.run("head -c 700k /dev/zero > a; head -c 700k /dev/zero > b", disk="1m")
    assert result.status is Status.FAILED
    assert "No space left on device" in result.stderr


def test_inodes_run_out_before_the_hosts_memory(sandbox: Sandbox) -> None:
    make = "for i in range(3000): open(f'{i}', 'w').close()"
    result = sandbox.run(["python3", "-c", make], "python", disk="1m")
    assert "No space left on device" in result.stderr


def test_fork_bomb_leaves_the_neighbour_running(sandbox: Sandbox, beside: ThreadPoolExecutor) -> None:
    bomb = beside.submit(
        sandbox.run, ["python3", "-c", BOMB], "python", timeout=2, grace=0, pids=24, cpus=0.5
    )
    neighbour = sandbox.run("echo fine")
    assert (neighbour.stdout, bomb.done()) == ("fine\n", False)
    assert bomb.result().status is Status.TIMED_OUT


def test_a_fork_bomb_that_ends_is_reported_like_any_other_job(sandbox: Sandbox) -> None:
    result = sandbox.run(
        f"python3 -c '{BOMB}' 2>/dev/null & sleep 0.3; exit 9", "python", pids=24, timeout=20
    )
    assert (result.status, result.exit_code) == (Status.FAILED, 9)


def test_kill_everything_does_not_move_the_deadline(sandbox: Sandbox) -> None:
    result = sandbox.run("kill -9 -1; while :; do :; done", timeout=0.4, grace=0.2)
    assert result.status is Status.TIMED_OUT
    assert result.duration < 5 * PATIENCE


@pytest.mark.parametrize("victim", ["1", "$PPID"])
def test_killing_the_supervisor_makes_nothing_better(sandbox: Sandbox, victim: str) -> None:
    result = sandbox.run(f"kill -9 {victim}; kill -STOP {victim}; sleep 30", timeout=0.4, grace=0.2)
    assert (result.status, result.duration < 5) == (Status.TIMED_OUT, True)


def test_fake_end_marks_are_output_like_any_other(sandbox: Sandbox) -> None:
    fake = "\0" + "0" * 32 + " end 0 1 1 0\n"
    result = sandbox.run(["sh", "-c", "cat; exit 3"], stdin=fake * 2)
    assert (result.status, result.exit_code, result.stdout) == (Status.FAILED, 3, fake * 2)


def test_a_command_with_an_equals_sign_is_no_variable(sandbox: Sandbox) -> None:
    result = sandbox.run(["./a=b"], files={"a=b": "#!/bin/sh\necho $X\n"}, env={"X": "ran"})
    assert result.stdout == "ran\n"


def test_peak_memory_is_what_the_job_held(sandbox: Sandbox) -> None:
    result = sandbox.run(["python3", "-c", "x = b'x' * (40 << 20)"], "python", memory="200m")
    assert result.memory_peak is not None
    assert 40 << 20 < result.memory_peak < 120 << 20


def test_cpu_seconds_are_what_the_job_burned(sandbox: Sandbox) -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    result = sandbox.run(["python3", "-c", burn], "python")
    assert result.cpu_seconds is not None
    # With no daemon the start is seen from outside. That may be late, but costs a job 20 ms at most.
    assert 0.38 <= result.cpu_seconds < 1.2


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("true", Status.SUCCEEDED),
        ("exit 1", Status.FAILED),
        ("kill -SEGV $$", Status.SIGNALED),
        ("sleep 30", Status.TIMED_OUT),
        ("yes", Status.OUTPUT_LIMIT),
        ("tail /dev/zero", Status.OUT_OF_MEMORY),
    ],
)
def test_the_cell_is_gone_whatever_came_of_the_job(sandbox: Sandbox, command: str, status: Status) -> None:
    result = sandbox.run(
        command, timeout=3 * PATIENCE if "tail" in command else 0.5, grace=0, memory="32m", output_limit=1000
    )
    assert result.status is status
    wait_until(lambda: not cells_of(sandbox.settings), 15, "the cell is gone")


def test_a_running_cell_shows_its_hardening(
    sandbox: Sandbox, engine: docker.APIClient, beside: ThreadPoolExecutor
) -> None:
    sleep = unique_sleep(60)
    job = beside.submit(sandbox.run, sleep, timeout=60)
    about = about_last_seen(engine, sleep)
    assert isinstance(job.exception(), CellLost)
    shown = {key: about["HostConfig"][key] for key in ("CapDrop", "ReadonlyRootfs", "Privileged", "Binds")}
    assert shown == {"CapDrop": ["ALL"], "ReadonlyRootfs": True, "Privileged": False, "Binds": None}
    assert about["HostConfig"]["SecurityOpt"][0] == "no-new-privileges:true"
    assert about["Mounts"] == []
    assert (about["Config"]["User"], about["NetworkSettings"]["Networks"]) == ("65534:65534", {})


def test_a_running_cell_says_whose_it_is(sandbox: Sandbox, beside: ThreadPoolExecutor) -> None:
    sleep = unique_sleep(60)
    request = sandbox.parse(sleep, timeout=60)
    job = beside.submit(sandbox.run_job, request, JobTags("t-1", "w@h"))
    wait_until(lambda: runs(sleep), 10, "the job runs")
    with closing(open_engine(sandbox.settings)) as engine:
        (cell,) = [cell for cell in engine.list() if cell.labels.written["cellblock.task"] == "t-1"]
        engine.remove(cell.name)
    labels = cell.labels.written
    assert isinstance(job.exception(), CellLost)
    assert {labels[f"cellblock.{key}"] for key in ("task", "worker", "runtime", "state")} == {
        "t-1",
        "w@h",
        "bash",
        "job",
    }
    assert labels["cellblock.deadline"].isdecimal()


def test_a_cell_that_somebody_removes_is_lost_and_not_a_result(
    sandbox: Sandbox, beside: ThreadPoolExecutor
) -> None:
    sleep = unique_sleep(300)
    sandbox.settle()
    job: Future[Result] = beside.submit(sandbox.run, sleep, timeout=20)
    wait_until(lambda: runs(sleep), 10, "the job runs")
    with closing(open_engine(sandbox.settings)) as engine:
        engine.remove(cells_of(sandbox.settings)[0])
    with pytest.raises(CellLost):
        job.result()


def test_the_engine_ends_a_flood_whose_supervisor_hears_no_order(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cell in (DockerCell, OciCell):
        monkeypatch.setattr(cell, "_order", lambda *_: None)
    result = sandbox.run("yes", timeout=25)
    assert result.status is Status.OUTPUT_LIMIT
    assert result.cpu_seconds
    # If the output stayed unread, the engine would not answer the kill, or only after a margin.
    assert result.timings.total < load_settings().engine_margin


def test_the_jobs_of_a_worker_killed_by_sigkill_end_by_themselves(sandbox: Sandbox) -> None:
    sleep = unique_sleep(300)
    program = f"from sandbox import Sandbox; Sandbox().run('{sleep}', timeout=100)"
    env = os.environ | environment(sandbox.settings)
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=env)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(10) == -signal.SIGKILL
    wait_until(lambda: not runs(sleep), 10, "the job is gone")
    with closing(open_engine(sandbox.settings)) as engine:
        for cell in engine.list():
            engine.remove(cell.name)


DIES_AT_ONCE = """
import os, signal, sys
from sandbox import Sandbox
from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.oci.cell import OciCell
for kind in (DockerCell, OciCell):
    def start(self, job, real=kind.start):
        real(self, job)
        os.kill(os.getpid(), signal.SIGKILL)
    kind.start = start
Sandbox().run(sys.argv[1], timeout=100)
"""


def test_a_job_whose_worker_is_killed_as_soon_as_it_has_sent_the_orders_ends_by_itself(
    sandbox: Sandbox,
) -> None:
    sleep = unique_sleep(300)
    env = os.environ | environment(sandbox.settings)
    done = subprocess.run([sys.executable, "-c", DIES_AT_ONCE, sleep], cwd=ROOT, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    with closing(open_engine(sandbox.settings)) as engine:
        wait_until(lambda: all(cell.dead_since for cell in engine.list()), 10, "its cell has ended")
        for cell in engine.list():
            engine.remove(cell.name)


@pytest.fixture
def ghost(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with a runtime whose image does not exist."""
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text('[ghost]\nimage = "cellblock-test/ghost:1"\n')
    with Sandbox(load_settings(pull="never", runtimes=catalogue)) as real:
        yield real


def test_a_missing_image_is_named_with_what_brings_it(ghost: Sandbox, engine: docker.APIClient) -> None:
    with pytest.raises(
        ImageMissing, match=r"cellblock-test/ghost:1 nor cellblock/ghost:local.*images build ghost"
    ):
        ghost.run("true", "ghost")


def test_an_image_that_goes_away_is_missed_and_found_again(
    ghost: Sandbox, sandbox: Sandbox, engine: docker.APIClient
) -> None:
    image = make_image(engine, sandbox.run("true").image or "")
    assert ghost.run("echo here", "ghost").stdout == "here\n"
    ghost.close()
    engine.remove_image(image, force=True)
    with pytest.raises(ImageMissing):
        ghost.run("true", "ghost")
    again = make_image(engine, sandbox.run("true").image or "")
    assert ghost.run("echo again", "ghost").stdout == "again\n"
    ghost.close()
    engine.remove_image(again, force=True)


def make_image(engine: docker.APIClient, base: str) -> str:
    """Make an image that differs from all others, and return its id."""
    container = engine.create_container(base, ["true"])["Id"]
    try:
        changes = [f"LABEL test={secrets.token_hex(8)}"]
        image: str = engine.commit(container, "cellblock-test/ghost", "1", changes=changes)["Id"]
    finally:
        engine.remove_container(container)
    return image
