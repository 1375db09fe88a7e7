"""Every way to run `echo hi` that is compared: the modes of cellblock, and common alternatives."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import docker

from benchmarks.caller import Caller
from benchmarks.hardened_run import docker_run
from benchmarks.peers import EPICBOX, LLM_SANDBOX, LLM_SANDBOX_REUSED, Peer, running_peer
from benchmarks.surroundings import BenchError, Surroundings, Worker
from config import load_settings
from sandbox import Sandbox
from sandbox.engines.docker.client import docker_address

if TYPE_CHECKING:
    from benchmarks.caller import Answer

__all__ = [
    "CELERY_COLD",
    "CELERY_HOST",
    "CELERY_WARM",
    "DOCKER_EXEC",
    "DOCKER_RUN",
    "INPROC_WARM",
    "Contender",
    "Workers",
    "contenders",
    "image_of",
    "sdk_client",
    "sdk_run",
]

INPROC_WARM = "cellblock, in-process, warm"
INPROC_COLD = "cellblock, in-process, cold"
CELERY_WARM = "cellblock, Celery, warm"
CELERY_COLD = "cellblock, Celery, cold"
INPROC_HOST = "cellblock, in-process, host mode"
CELERY_HOST = "cellblock, Celery, host mode"
DOCKER_RUN = "docker run --rm, same hardening"
DOCKER_EXEC = "docker exec, container reused"

_WARM = 4
_FULL_S = 60.0


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Contender:
    """One way to run. `once` returns the seconds of one run; `prepare` runs before it and is not measured.

    Each round has `times` runs. A `slow` contender takes part only in the first `slow_rounds` rounds.
    """

    name: str
    once: Callable[[], float]
    prepare: Callable[[], None] = _nothing
    times: int = 1
    slow: bool = False
    isolation: str = ""
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that the contenders of a run share, and the number of warm cells of the warm one."""

    warm: Worker
    cold: Worker
    host: Worker
    warm_cells: int


@contextmanager
def contenders(around: Surroundings, workers: Workers) -> Iterator[tuple[list[Contender], dict[str, str]]]:
    """The contenders that work on this machine, and for each other one the reason why it does not."""
    openers: dict[str, Callable[[ExitStack], Contender]] = {
        INPROC_WARM: lambda stack: _inproc_warm(around, stack),
        INPROC_COLD: lambda stack: _inproc_cold(around, stack),
        CELERY_WARM: lambda stack: _celery_warm(around, workers, stack),
        CELERY_COLD: lambda stack: _celery_cold(around, workers, stack),
        INPROC_HOST: lambda stack: _inproc_host(around, stack),
        CELERY_HOST: lambda stack: _celery_host(workers, stack),
        DOCKER_RUN: lambda _: _docker_run(around),
        "SDK containers.run(remove=True)": lambda stack: _sdk_run(around, stack),
        DOCKER_EXEC: lambda stack: _docker_exec(around, stack),
        "SDK exec_run, container reused": lambda stack: _sdk_exec(around, stack),
        "plain subprocess": lambda _: Contender(
            "plain subprocess", lambda: _timed(["/bin/sh", "-c", "echo hi"]), isolation="none"
        ),
        EPICBOX.name: lambda stack: _peer(EPICBOX, stack),
        LLM_SANDBOX.name: lambda stack: _peer(LLM_SANDBOX, stack, slow=True),
        LLM_SANDBOX_REUSED.name: lambda stack: _peer(LLM_SANDBOX_REUSED, stack),
    }
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        there = []
        for name, opener in openers.items():
            try:
                there.append(opener(stack))
                there[-1].once()
            except (BenchError, docker.errors.DockerException) as error:
                missing[name] = str(error)
        yield [one for one in there if one.name not in missing], missing


def image_of(around: Surroundings, runtime: str = "bash") -> str:
    """The id of the image of a runtime's cells, so that all contenders use the same image."""
    with Sandbox(around.settings("image")) as sandbox:
        found = sandbox.run("true", runtime).image_id
    if found is None:
        raise BenchError(f"No image of {runtime}.")
    return found


def _inproc_warm(around: Surroundings, stack: ExitStack) -> Contender:
    sandbox = stack.enter_context(Sandbox(around.settings("inproc-warm", warm=f"0,bash={_WARM}")))

    def prepare() -> None:
        sandbox.settle()
        if not sandbox.warm_up(_FULL_S):
            raise BenchError("The pool of this process did not fill.")

    prepare()
    return Contender(
        INPROC_WARM, lambda: _run(sandbox, warm=True), prepare, times=3, isolation="single-use cell"
    )


def _inproc_cold(around: Surroundings, stack: ExitStack) -> Contender:
    sandbox = stack.enter_context(Sandbox(around.settings("inproc-cold")))
    return Contender(INPROC_COLD, lambda: _run(sandbox), sandbox.settle, isolation="single-use cell")


def _inproc_host(around: Surroundings, stack: ExitStack) -> Contender:
    sandbox = stack.enter_context(Sandbox(around.settings("inproc-host", enable_docker=False)))
    return Contender(INPROC_HOST, lambda: _run(sandbox), isolation="none")


def _run(sandbox: Sandbox, *, warm: bool = False) -> float:
    started = time.perf_counter()
    result = sandbox.run("echo hi", "bash")
    seconds = time.perf_counter() - started
    if result.stdout != "hi\n" or result.warm is not warm:
        raise BenchError(f"A wrong answer, or a cell that is not {warm=}: {result}")
    return seconds


def _celery_warm(around: Surroundings, workers: Workers, stack: ExitStack) -> Contender:
    caller = stack.enter_context(_caller(workers.warm))
    answers: list[Answer] = []

    def prepare() -> None:
        used = [answers[-1].result["container"]] if answers else []
        around.wait_warm(workers.warm, workers.warm_cells, used)

    prepare()
    once = _through(caller, answers, warm=True)
    return Contender(CELERY_WARM, once, prepare, 3, isolation="single-use cell", answers=answers)


def _celery_cold(around: Surroundings, workers: Workers, stack: ExitStack) -> Contender:
    caller = stack.enter_context(_caller(workers.cold))
    answers: list[Answer] = []
    once = _through(caller, answers)
    prepare = lambda: around.wait_gone(workers.cold.owner)  # noqa: E731
    return Contender(CELERY_COLD, once, prepare, isolation="single-use cell", answers=answers)


def _celery_host(workers: Workers, stack: ExitStack) -> Contender:
    caller = stack.enter_context(_caller(workers.host))
    answers: list[Answer] = []
    return Contender(CELERY_HOST, _through(caller, answers), isolation="none", answers=answers)


@contextmanager
def _caller(worker: Worker) -> Iterator[Caller]:
    caller = Caller(worker.broker_url)
    try:
        yield caller
    finally:
        caller.close()


def _through(caller: Caller, answers: list[Answer], *, warm: bool = False) -> Callable[[], float]:
    def once() -> float:
        answer = caller.run()
        if answer.result["stdout"] != "hi\n" or answer.result["warm"] is not warm:
            raise BenchError(f"A wrong answer, or a cell that is not {warm=}: {answer.result}")
        answers.append(answer)
        return answer.seconds

    return once


def _docker_run(around: Surroundings) -> Contender:
    _require_command()
    command = docker_run(image_of(around), "echo", "hi")
    return Contender(DOCKER_RUN, lambda: _timed(command), isolation="single-use container")


def _sdk_run(around: Surroundings, stack: ExitStack) -> Contender:
    client, image = stack.enter_context(sdk_client()), image_of(around)

    def once() -> float:
        started = time.perf_counter()
        sdk_run(client, image)
        return time.perf_counter() - started

    return Contender("SDK containers.run(remove=True)", once, isolation="single-use container, not hardened")


@contextmanager
def sdk_client() -> Iterator[docker.DockerClient]:
    """The Docker SDK with its defaults, connected to the engine that all contenders use."""
    client = docker.DockerClient(base_url=docker_address(load_settings()))
    try:
        yield client
    finally:
        client.close()


def sdk_run(client: docker.DockerClient, image: str) -> None:
    """Run one plain container without a network, and wait until it is removed."""
    said = client.containers.run(image, ["echo", "hi"], remove=True, network_mode="none")
    if said != b"hi\n":
        raise BenchError(f"The SDK's container gave a wrong answer: {said!r}")


def _docker_exec(around: Surroundings, stack: ExitStack) -> Contender:
    _require_command()
    name = _reused_container(around, stack, "exec")
    command = ["docker", "exec", name, "echo", "hi"]
    return Contender(DOCKER_EXEC, lambda: _timed(command), isolation="shared by all jobs")


def _sdk_exec(around: Surroundings, stack: ExitStack) -> Contender:
    client = stack.enter_context(sdk_client())
    container = client.containers.get(_reused_container(around, stack, "sdk-exec"))

    def once() -> float:
        started = time.perf_counter()
        if container.exec_run(["echo", "hi"]).output != b"hi\n":
            raise BenchError("exec_run gave a wrong answer.")
        return time.perf_counter() - started

    return Contender("SDK exec_run, container reused", once, isolation="shared by all jobs")


def _reused_container(around: Surroundings, stack: ExitStack, name: str) -> str:
    _require_command()
    command = docker_run(image_of(around), "sleep", "infinity", rm=False)
    label = f"--label=cellblock.owner={around.run}-{name}"
    done = subprocess.run([*command[:3], label, *command[3:]], check=True, capture_output=True, text=True)
    found = done.stdout.strip()
    stack.callback(around.engine.remove_container, found, force=True)
    return found


def _peer(peer: Peer, stack: ExitStack, *, slow: bool = False) -> Contender:
    process = stack.enter_context(running_peer(peer, "cellblock/python:local"))
    shared = peer.argument == "reused"
    isolation = "shared by all jobs" if shared else "single-use container"
    return Contender(peer.name, process.once, slow=slow, isolation=isolation)


def _require_command() -> None:
    if shutil.which("docker") is None:
        raise BenchError("no docker command here. Try: apt-get install docker-cli")


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    if done.stdout != b"hi\n":
        raise BenchError(f"{command[0]} gave a wrong answer: {done.stdout!r}")
    return seconds
