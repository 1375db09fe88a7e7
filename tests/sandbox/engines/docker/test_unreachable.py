"""An engine that does not answer, or that cannot make cells."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import EngineFailed, EngineUnreachable, InvalidJob, Sandbox
from tests.engine_stand_in import standing_in
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _sockets_that_docker_forgets() -> Iterator[None]:
    """Collects garbage after each test: the SDK does not close a Unix socket that could not connect."""
    yield
    gc.collect()


@pytest.mark.parametrize("address", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:{port}"])
def test_an_unreachable_engine_is_one_sentence_with_what_to_try(address: str) -> None:
    address = address.format(port=free_port())
    with (
        Sandbox(load_settings(docker_host=address)) as sandbox,
        pytest.raises(EngineUnreachable, match=f"No container engine answers at {address}\\. Try: "),
    ):
        sandbox.run("true", "bash")


def test_a_bad_request_is_refused_before_the_engine_is_asked() -> None:
    with Sandbox(load_settings(docker_host="unix:///nonexistent")) as sandbox, pytest.raises(InvalidJob):
        sandbox.run("true", "cobol")


def test_podman_is_refused_by_name_before_it_is_asked_for_a_cell(tmp_path: Path) -> None:
    with standing_in(tmp_path / "podman.sock") as podman:
        podman.version["Components"] = [{"Name": "Podman Engine", "Version": "5.4.2"}]
        with (
            Sandbox(load_settings(docker_host=podman.url)) as sandbox,
            pytest.raises(EngineFailed, match=r"is Podman, .* Try: Docker Engine"),
        ):
            sandbox.run("true", "bash")
