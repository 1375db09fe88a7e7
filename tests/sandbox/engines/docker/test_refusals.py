"""An engine fails one call of a job. No container may be left, although no reaper runs."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import EngineFailed, EngineUnfit, EngineUnreachable, ImageMissing, Sandbox, SandboxUnavailable
from sandbox.cell import JobTags
from sandbox.cell_source import CellSource
from sandbox.egress.proxy import PROXY_IMAGE
from sandbox.engines.docker.client import ask_the_time
from sandbox.engines.docker.engine import DockerEngine
from sandbox.engines.docker.image_choice import find_image
from sandbox.warm import WarmPool
from tests.conftest import cells, unavailable
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.engine_checkpoint import Checkpoint

CREATE, START, UPDATE = (
    "POST /containers/create",
    "POST /containers/[^/]+/start",
    "POST /containers/[^/]+/update",
)
ATTACH, KILL, WAIT = (f"POST /containers/[^/]+/{step}" for step in ("attach", "kill", "wait"))
REMOVE = "DELETE /containers/[^/]+"


@pytest.fixture
def behind(checkpoint: Checkpoint) -> Iterator[Callable[..., Sandbox]]:
    """A function that makes a sandbox which reaches the engine through the checkpoint."""
    made: list[Sandbox] = []

    def make(**settings: Any) -> Sandbox:
        given = {"pull": "never", "engine_margin": 5 * PATIENCE, "docker_host": checkpoint.url} | settings
        made.append(Sandbox(load_settings(**given)))
        assert made[-1].warm_up(60 * PATIENCE)
        return made[-1]

    yield make
    checkpoint.obey()
    for sandbox in made:
        sandbox.close()


@pytest.mark.parametrize("step", [CREATE, ATTACH, START])
def test_a_cell_that_cannot_be_made_leaves_nothing(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient, step: str
) -> None:
    sandbox = behind()
    checkpoint.refuse(step, 500)
    with pytest.raises(EngineFailed, match="could not make a cell: the test says no"):
        sandbox.run("true", "bash")
    sandbox.settle()
    assert cells(engine) == []


@pytest.mark.parametrize("step", [CREATE, START])
def test_what_happened_although_its_answer_was_lost_is_removed(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient, step: str
) -> None:
    sandbox = behind()
    checkpoint.refuse(step, 500, done=True)
    with pytest.raises(EngineFailed):
        sandbox.run("true", "bash")
    sandbox.settle()
    assert cells(engine) == []


def test_a_warm_cell_that_cannot_be_adapted_is_removed_and_the_job_gets_a_cold_one(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient
) -> None:
    sandbox = behind(warm="0,bash=1")
    (waiting,) = cells(engine)
    checkpoint.refuse(UPDATE, 500)
    result = sandbox.run("echo hi", "bash", memory="64m")
    sandbox.settle()
    assert (result.stdout, result.warm) == ("hi\n", False)
    assert waiting not in cells(engine)


@pytest.mark.parametrize(("limits", "calls"), [({}, 0), ({"cpus": 1}, 1), ({"memory": "64m"}, 1)])
def test_only_a_job_of_other_memory_or_cores_has_its_warm_cell_changed(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], limits: dict[str, object], calls: int
) -> None:
    assert behind(warm="0,bash=1").run("true", "bash", **limits).warm
    assert len(checkpoint.made(UPDATE)) == calls


def test_what_warm_jobs_use_is_read_without_a_call_to_the_engine(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind(warm="0,bash=2")
    results = [sandbox.run("true", "bash") for _ in range(2)]
    assert [result.warm and result.cpu_seconds is not None for result in results] == [True, True]
    # Each of the two makers of warm cells asks about the first cell that it makes.
    assert len(checkpoint.made("GET /containers/[^/]+/json")) <= 2


def test_memory_swap_and_cores_of_a_warm_cell_become_those_of_its_job(
    behind: Callable[..., Sandbox], engine: docker.APIClient
) -> None:
    settings = behind().settings.model_copy(update={"warm": "0,bash=1"})
    job = behind().parse("true", memory="64m", cpus=0.5)
    with closing(CellSource(settings, DockerEngine(settings), WarmPool(settings))) as own:
        assert own.warm_up(60 * PATIENCE)
        with own.acquire(job, JobTags()) as cell:
            about = engine.inspect_container(cell.info.container or "")["HostConfig"]
    assert cell.info.warm
    assert {key: about[key] for key in ("Memory", "MemorySwap", "CpuPeriod", "CpuQuota")} == {
        "Memory": 64 << 20,
        "MemorySwap": 64 << 20,
        "CpuPeriod": 100_000,
        "CpuQuota": 50_000,
    }


def test_a_job_with_a_network_gets_no_warm_cell(behind: Callable[..., Sandbox]) -> None:
    result = behind(warm="0,bash=1", network=True).run("ls /sys/class/net", "bash", network=True)
    assert (result.warm, "eth0" in result.stdout) == (False, True)


def test_a_full_engine_is_an_outage_for_every_job(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    checkpoint.refuse(CREATE, 500, "mkdir /var/lib/docker/x: no space left on device")
    with pytest.raises(EngineUnfit, match="no space left on device"):
        sandbox.run("true", "bash")


@pytest.mark.parametrize("step", [CREATE, START])
def test_an_engine_that_hangs_up_is_unreachable_and_leaves_nothing(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient, step: str
) -> None:
    sandbox = behind()
    checkpoint.hang_up_on(step)
    with pytest.raises(EngineUnreachable):
        sandbox.run("true", "bash")
    sandbox.settle()
    assert cells(engine) == []


def test_an_engine_that_stalls_is_given_up_after_a_margin_and_what_it_did_later_is_removed(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient
) -> None:
    sandbox = behind(engine_margin=1 * PATIENCE)
    late = checkpoint.stall(START, times=1)
    began = time.monotonic()
    with pytest.raises(EngineUnreachable, match="did not make a cell in time"):
        sandbox.run("true", "bash")
    assert time.monotonic() - began < 10 * PATIENCE
    late.set()
    sandbox.settle()
    assert cells(engine) == []


def test_an_image_that_was_deleted_is_looked_for_anew_by_the_next_job(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    checkpoint.refuse(CREATE, 404, "No such image: sha256:0", times=1)
    with pytest.raises(ImageMissing):
        sandbox.run("true", "bash")
    looked = len(checkpoint.made("GET /images/.*/json"))
    assert sandbox.run("echo hi", "bash").stdout == "hi\n"
    assert len(checkpoint.made("GET /images/.*/json")) > looked


def test_an_engine_that_does_not_tell_the_time_gives_no_cell(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    checkpoint.hang_up_on("GET /_ping")
    with pytest.raises(SandboxUnavailable, match="could not be asked to tell the time"):
        sandbox.run("true", "bash")
    assert checkpoint.made(CREATE) == []


def test_a_cells_process_end_is_awaited_before_it_is_removed(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    sandbox.run("true", "bash")
    sandbox.settle()
    steps = [call for call in checkpoint.calls if call in (*checkpoint.made(WAIT), *checkpoint.made(REMOVE))]
    assert [call.split()[0] for call in steps] == ["POST", "DELETE"]


@pytest.mark.parametrize("call", ["POST /containers/[^/]+-1/start", "POST /containers/[^/]+-2/start"])
def test_a_way_out_that_cannot_be_opened_leaves_neither_its_parts_nor_the_cell(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox], engine: docker.APIClient, call: str
) -> None:
    if find_image(engine, PROXY_IMAGE) is None:
        unavailable(f"There is no {PROXY_IMAGE}. Try: cellblock images build proxy")
    sandbox = behind(network_hosts="*.example.com")
    checkpoint.refuse(call, 500)
    with pytest.raises(EngineFailed, match="could not open a job's way out: the test says no"):
        sandbox.run("true", "bash", network=["api.example.com"])
    sandbox.settle()
    assert cells(engine) == []


def test_a_cell_may_stay_until_its_job_is_past_every_rung_of_its_time(
    behind: Callable[..., Sandbox], engine: docker.APIClient
) -> None:
    sandbox = behind()
    job = sandbox.parse("true", timeout=100, grace=10)
    source = CellSource(sandbox.settings, DockerEngine(sandbox.settings))
    with closing(source) as own, own.acquire(job, JobTags("t-1", "w@h")) as cell:
        labels = engine.inspect_container(cell.info.container or "")["Config"]["Labels"]
        left_s = float(labels["cellblock.deadline"]) - ask_the_time(engine)
    assert left_s == pytest.approx(job.ladder(sandbox.settings.engine_margin).reap_s, abs=3 * PATIENCE)
    assert [labels[f"cellblock.{name}"] for name in ("state", "task", "worker")] == ["job", "t-1", "w@h"]


def test_an_engine_that_was_closed_connects_anew(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    for _ in range(2):
        assert sandbox.run("echo hi", "bash").stdout == "hi\n"
        sandbox.close()
    # The jobs and the remover connect once each in every round. A connection makes this call twice.
    assert len(checkpoint.made("GET /version")) == 8


def test_jobs_share_a_connection_to_the_engine_and_its_time(
    checkpoint: Checkpoint, behind: Callable[..., Sandbox]
) -> None:
    sandbox = behind()
    for _ in range(4):
        sandbox.run("true", "bash")
        sandbox.settle()
    assert len(checkpoint.made("GET /version")) == 4
    # The time is asked for again only after ten seconds.
    assert len(checkpoint.made("GET /_ping")) < 4


def test_an_engine_that_is_closed_has_removed_every_cell(
    behind: Callable[..., Sandbox], engine: docker.APIClient
) -> None:
    sandbox = behind()
    sandbox.run("true", "bash")
    sandbox.close()
    assert cells(engine) == []
