"""The guard lets through everything that a worker does with an engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from config import Settings, load_catalogue
from sandbox import Sandbox, Status
from sandbox.egress.proxy import PROXY_IMAGE
from sandbox.engines.docker.client import ask_the_time, connect
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.engine import CellSpec, new_name
from sandbox.labels import new_labels
from sandbox.reaper import due, reap
from tests.conftest import unavailable
from tests.sandbox.engines.docker.guard.bodies import cell_body
from tests.sandbox.engines.docker.guard.guard import running_guard
from tests.waiting import wait_until

pytestmark = pytest.mark.engine

HELLO = {
    "bash": {"main.sh": "echo hello"},
    "python": {"main.py": "print('hello')"},
    "node": {"main.js": "console.log('hello')"},
    "cpp": {"main.cpp": '#include <cstdio>\nint main(){puts("hello");}'},
    "dotnet": {"a.cs": 'class A { static void Main() { System.Console.WriteLine("hello"); } }'},
    "java": {"Main.java": 'class Main{public static void main(String[] a){System.out.println("hello");}}'},
}


@pytest.mark.parametrize("runtime", HELLO)
def test_each_runtime_runs_with_a_compilers_stage_where_it_has_one(guarded: Sandbox, runtime: str) -> None:
    result = guarded.run(None, runtime, files=HELLO[runtime])
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "hello\n")


@pytest.mark.parametrize(
    ("cmd", "limits", "status"),
    [
        ("sleep 60", {"timeout": 0.5, "grace": 0}, Status.TIMED_OUT),
        ("exec tail /dev/zero", {"memory": "32m"}, Status.OUT_OF_MEMORY),
        ("yes", {"output_limit": 1000}, Status.OUTPUT_LIMIT),
        ("kill -SEGV $$", {"cpus": 0.01, "pids": 4, "disk": "64k"}, Status.SIGNALED),
    ],
)
def test_limits_hold(guarded: Sandbox, cmd: str, limits: dict[str, Any], status: Status) -> None:
    assert guarded.run(cmd, **limits).status is status


def test_the_largest_limits_that_the_operator_allows_pass(guarded: Sandbox) -> None:
    most = guarded.settings
    limits: dict[str, Any] = {
        "timeout": most.max_timeout,
        "grace": most.max_grace,
        "memory": most.max_memory,
        "cpus": most.max_cpus,
        "pids": most.max_pids,
        "disk": most.max_disk,
        "output_limit": most.max_output_limit,
    }
    assert guarded.run("true", **limits).status is Status.SUCCEEDED


def test_files_go_in_and_artifacts_come_out(guarded: Sandbox) -> None:
    result = guarded.run(
        "cat; cp in out", files={"in": "x" * 100_000}, stdin="y" * 100_000, artifacts=["out"]
    )
    assert (result.stdout_bytes, result.artifacts["out"].size) == (100_000, 100_000)


def test_a_hundred_megabytes_of_output_come_through(guarded: Sandbox) -> None:
    result = guarded.run("head -c 100000000 /dev/zero", output_limit="16m", timeout=60)
    assert (result.status, result.stdout_bytes) == (Status.SUCCEEDED, 100_000_000)


def test_a_job_may_have_the_engines_network_where_the_operator_says_so(guarded: Sandbox) -> None:
    assert "eth0" in guarded.run("cat /proc/net/dev", network=True).stdout


def test_a_job_with_a_list_of_hosts_gets_its_relay_and_its_proxy(
    guarded: Sandbox, engine: docker.APIClient
) -> None:
    if find_image(engine, PROXY_IMAGE) is None:
        unavailable(f"There is no {PROXY_IMAGE}. Try: cellblock images build proxy")
    result = guarded.run("echo $https_proxy", network=["api.example.com", "db.example.com"], timeout=60)
    assert result.stdout.startswith("http://127.0.0.1")


def test_a_warm_cell_is_attached_to_and_adapted(guarded_settings: Settings) -> None:
    with Sandbox(guarded_settings.model_copy(update={"warm": "bash=1"})) as warm:
        assert warm.warm_up(20)
        result = warm.run(
            "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max", memory="99m"
        )
    assert (result.warm, result.stdout.strip()) == (True, str(99 << 20))


def test_an_oci_runtime_of_the_operators_passes(guarded_settings: Settings, tmp_path: Path) -> None:
    with running_guard(tmp_path, CELLBLOCK_OCI_RUNTIME="runc") as other:
        settings = guarded_settings.model_copy(
            update={"oci_runtime": "runc", "docker_host": other.url, "network": False}
        )
        with Sandbox(settings) as behind:
            assert behind.run("echo hello").stdout == "hello\n"


def test_the_reaper_finds_and_removes_what_is_due(
    guarded_settings: Settings, engine: docker.APIClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A reaper leaves a cell whose process runs on this machine, so both processes get another machine's mark.
    monkeypatch.setattr("sandbox.labels.this_process", lambda: "another machine/1/2")
    # The reaper of a worker of other tests must not take part.
    owner = f"{guarded_settings.owner}-due"
    with running_guard(tmp_path, CELLBLOCK_OWNER=owner) as other:
        settings = guarded_settings.model_copy(
            update={"owner": owner, "docker_host": other.url, "network": False, "network_hosts": ""}
        )
        with closing(connect(settings)) as client:
            body, name = cell_body(engine, settings), new_name()
            body["Labels"] |= {"cellblock.process": "another machine/1/1", "cellblock.deadline": "1"}
            client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        with closing(DockerEngine(settings)) as own:
            assert due(own, settings) == [name]
            assert reap(own, settings) == [name]


def test_the_engines_clock_is_read_through_it(guarded_settings: Settings, engine: docker.APIClient) -> None:
    with closing(connect(guarded_settings)) as client:
        assert abs(ask_the_time(client) - ask_the_time(engine)) < 5


def test_a_worker_that_vanishes_takes_its_cell_along(
    guarded_settings: Settings, engine: docker.APIClient
) -> None:
    """When its client hangs up, the guard hangs up on the engine, and so the supervisor ends."""
    with closing(connect(guarded_settings)) as client:
        limits = _limits(guarded_settings)
        labels = new_labels(
            owner=guarded_settings.owner,
            runtime="bash",
            state="job",
            deadline=ask_the_time(client) + 60,
            limits=limits.text,
        )
        with closing(DockerEngine(guarded_settings)) as own:
            left = own.make(CellSpec(new_name(), load_catalogue()["bash"], limits, labels))
        for stream in left.streams:
            stream.close()
        wait_until(lambda: client.inspect_container(left.name)["State"]["Status"] == "exited", 10, "it ends")
        client.remove_container(left.name, force=True)


def _limits(settings: Settings) -> Any:
    from sandbox.limits import resolve_limits

    return resolve_limits({}, load_catalogue()["bash"].limits, settings)
