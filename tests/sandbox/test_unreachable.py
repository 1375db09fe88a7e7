"""An engine that is not there."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import EngineUnreachable, InvalidJob, Sandbox
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _sockets_that_docker_forgets() -> Iterator[None]:
    """The SDK leaves a Unix socket that could not connect to the garbage collector."""
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
