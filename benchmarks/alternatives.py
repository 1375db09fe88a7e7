"""Ways to run a command without cellblock: Docker, a bare OCI runtime, bubblewrap, other sandboxes."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker

from benchmarks.contender import Contender, timed
from benchmarks.hardened_run import bubblewrap, docker_run, oci_run
from benchmarks.peers import EPICBOX, LLM_SANDBOX, LLM_SANDBOX_REUSED, running_peer
from benchmarks.surroundings import BenchError
from config import load_settings
from sandbox import Sandbox
from sandbox.engines.docker.client import docker_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from benchmarks.peers import Peer
    from benchmarks.surroundings import Surroundings

__all__ = ["DOCKER_EXEC", "DOCKER_RUN", "alternatives", "image_of", "sdk_client", "sdk_run"]

DOCKER_RUN = "docker run --rm, same hardening"
DOCKER_EXEC = "docker exec, container reused"
_SDK_RUN = "SDK containers.run(remove=True)"
_SDK_EXEC = "SDK exec_run, container reused"
_CRUN_RUN = "crun run, same hardening"
_BWRAP = "bwrap, same namespaces"
_PLAIN = "plain subprocess"


def alternatives(around: Surroundings) -> dict[str, Callable[[ExitStack], Contender]]:
    """A function for each that opens it. It raises `BenchError` if that does not work on this machine."""
    return {
        DOCKER_RUN: lambda _: _docker_run(around),
        _SDK_RUN: lambda stack: _sdk_run(around, stack),
        DOCKER_EXEC: lambda stack: _docker_exec(around, stack),
        _SDK_EXEC: lambda stack: _sdk_exec(around, stack),
        _CRUN_RUN: lambda stack: _crun_run(around, stack),
        _BWRAP: lambda _: _bwrap(around),
        _PLAIN: lambda _: Contender(_PLAIN, lambda: timed(["/bin/sh", "-c", "echo hi"]), isolation="none"),
        EPICBOX.name: lambda stack: _peer(EPICBOX, stack),
        LLM_SANDBOX.name: lambda stack: _peer(LLM_SANDBOX, stack, slow=True),
        LLM_SANDBOX_REUSED.name: lambda stack: _peer(LLM_SANDBOX_REUSED, stack),
    }


def image_of(around: Surroundings, runtime: str = "bash") -> str:
    """The id of the image of a runtime's cells, so that all contenders use the same image."""
    with Sandbox(around.settings("image")) as sandbox:
        found = sandbox.run("true", runtime).image_id
    if found is None:
        raise BenchError(f"No image of {runtime}.")
    return found


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


def _docker_run(around: Surroundings) -> Contender:
    _require("docker", "docker-cli")
    command = docker_run(image_of(around), "echo", "hi")
    return Contender(DOCKER_RUN, lambda: timed(command), isolation="single-use container")


def _sdk_run(around: Surroundings, stack: ExitStack) -> Contender:
    client, image = stack.enter_context(sdk_client()), image_of(around)

    def once() -> float:
        started = time.perf_counter()
        sdk_run(client, image)
        return time.perf_counter() - started

    return Contender(_SDK_RUN, once, isolation="single-use container, not hardened")


def _docker_exec(around: Surroundings, stack: ExitStack) -> Contender:
    name = _reused_container(around, stack, "exec")
    command = ["docker", "exec", name, "echo", "hi"]
    return Contender(DOCKER_EXEC, lambda: timed(command), isolation="shared by all jobs")


def _sdk_exec(around: Surroundings, stack: ExitStack) -> Contender:
    client = stack.enter_context(sdk_client())
    container = client.containers.get(_reused_container(around, stack, "sdk-exec"))

    def once() -> float:
        started = time.perf_counter()
        if container.exec_run(["echo", "hi"]).output != b"hi\n":
            raise BenchError("exec_run gave a wrong answer.")
        return time.perf_counter() - started

    return Contender(_SDK_EXEC, once, isolation="shared by all jobs")


def _reused_container(around: Surroundings, stack: ExitStack, name: str) -> str:
    _require("docker", "docker-cli")
    command = docker_run(image_of(around), "sleep", "infinity", rm=False)
    label = f"--label=cellblock.owner={around.run}-{name}"
    done = subprocess.run([*command[:3], label, *command[3:]], check=True, capture_output=True, text=True)
    found = done.stdout.strip()
    stack.callback(around.engine.remove_container, found, force=True)
    return found


def _crun_run(around: Surroundings, stack: ExitStack) -> Contender:
    command = stack.enter_context(oci_run(around, "crun", "echo", "hi"))
    return Contender(_CRUN_RUN, lambda: timed(command()), isolation="single-use container")


def _bwrap(around: Surroundings) -> Contender:
    _require("bwrap", "bubblewrap")
    command = bubblewrap(around.oci.image("bash").rootfs, "echo", "hi")
    return Contender(_BWRAP, lambda: timed(command), isolation="single-use namespaces, no limits")


def _peer(peer: Peer, stack: ExitStack, *, slow: bool = False) -> Contender:
    process = stack.enter_context(running_peer(peer, "cellblock/python:local"))
    shared = peer.argument == "reused"
    isolation = "shared by all jobs" if shared else "single-use container"
    return Contender(peer.name, process.once, slow=slow, isolation=isolation)


def _require(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise BenchError(f"no {program} here. Try: apt-get install {package}")
