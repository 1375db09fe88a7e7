"""What `doctor` finds about the engine. A fake engine gives the answers that the real one can't give here."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.checks.finding import Level
from cli.checks.stock import room
from sandbox.engines.docker.image_choice import find_image
from tests.engine_stand_in import standing_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from sandbox import Sandbox

    Examine = Callable[..., list[dict[str, Any]]]

HEALTHY: dict[str, object] = {
    "ServerVersion": "28.3.1",
    "Driver": "overlay2",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "SecurityOptions": ["name=seccomp,profile=builtin"],
    "Runtimes": {"runc": {}},
}


@pytest.mark.parametrize(
    ("fault", "level", "words"),
    [
        ({}, "ok", "engine 28.3.1"),
        ({"ServerVersion": "19.03.15"}, "problem", "19.03.15"),
        ({"Driver": "vfs"}, "warning", "storage driver vfs"),
        ({"SecurityOptions": ["name=apparmor"]}, "problem", "filters no system calls"),
        ({"CgroupDriver": "none"}, "problem", "keeps no limits"),
        ({"PidsLimit": False}, "problem", "cannot limit pids"),
        (
            {"CgroupVersion": "1", "CgroupDriver": "none"},
            "warning",
            "TCP and UDP sockets hold is in no limit",
        ),
        ({"CgroupVersion": "1", "DefaultRuntime": "crun"}, "ok", "bounded by its OCI runtime"),
    ],
)
def test_an_engine_that_falls_short_is_found(
    tmp_path: Path, examine: Examine, fault: dict[str, object], level: str, words: str
) -> None:
    with standing_in(tmp_path / "docker.sock") as stand_in:
        stand_in.about = HEALTHY | fault
        found = examine("engine", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert any(finding["level"] == level and words in finding["message"] for finding in found)


def test_an_oci_runtime_that_the_engine_does_not_have_is_found(sandbox: Sandbox, examine: Examine) -> None:
    found = examine("engine", CELLBLOCK_OCI_RUNTIME="no-such-runtime")
    assert [f["message"].partition(";")[0] for f in found if f["level"] == "problem"] == [
        "the engine has no OCI runtime 'no-such-runtime'"
    ]


def test_the_engines_own_socket_is_told_from_a_proxy(
    engine: docker.APIClient, tmp_path: Path, examine: Examine
) -> None:
    with standing_in(tmp_path / "docker.sock") as proxy:
        filtered = examine("socket", CELLBLOCK_DOCKER_HOST=proxy.url)
    assert "filtered by a proxy" in filtered[-1]["message"]
    assert "the engine's own" in examine("socket")[-1]["message"]


def test_an_image_that_is_not_here_is_found_with_the_two_ways_to_get_it(
    engine: docker.APIClient, tmp_path: Path, examine: Examine
) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text('[cobol]\nimage = "cobol:1"\n')
    found = examine("images", CELLBLOCK_RUNTIMES=str(catalogue))
    assert [(f["level"], f["mend"]) for f in found if "cobol" in f["message"]] == [
        ("warning", "cellblock images pull cobol; or without a registry: cellblock images build cobol")
    ]


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(100 << 20, Level.PROBLEM), (1 << 30, Level.WARNING), (5 << 30, Level.OK)]
)
def test_little_room_for_the_engine_is_found(free_bytes: int, level: Level) -> None:
    assert room(Path("/var/lib/docker"), free_bytes).level is level


def test_the_room_on_the_engines_disk_is_told(engine: docker.APIClient, examine: Examine) -> None:
    (found,) = examine("disk")
    assert found["message"].endswith(f"for the engine's data in {engine.info()['DockerRootDir']}")


def test_a_container_that_is_due_is_found_and_left_to_the_reaper(
    engine: docker.APIClient, examine: Examine
) -> None:
    owner = f"test-{secrets.token_hex(4)}"
    with left_behind(engine, owner) as name:
        (found,) = examine("leftovers", CELLBLOCK_OWNER=owner)
        assert engine.inspect_container(name)
    assert (found["level"], name in found["message"]) == ("warning", True)


@contextmanager
def left_behind(engine: docker.APIClient, owner: str) -> Iterator[str]:
    """A container that is past its deadline."""
    image = find_image(engine, "cellblock/bash:local")
    assert image is not None
    name = f"cellblock-{secrets.token_hex(6)}"
    labels = {"cellblock.owner": owner, "cellblock.deadline": f"{time.time() - 1:.0f}"}
    engine.create_container(image.id, ["true"], labels=labels, name=name)
    try:
        yield name
    finally:
        engine.remove_container(name, force=True)
