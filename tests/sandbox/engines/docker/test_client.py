"""The client finds the engine, sends calls to it, and turns its errors into those of cellblock."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import docker.errors
import pytest
import requests
import requests.exceptions
import urllib3.exceptions

from config import load_settings
from sandbox import CellLost, EngineFailed, EngineUnfit, EngineUnreachable, ImageMissing
from sandbox.engines.docker import client as of_engine
from sandbox.engines.docker.client import (
    ask_the_time,
    connect,
    docker_address,
    map_error,
    mapped_errors,
    ping,
)
from sandbox.engines.docker.image_choice import find_image
from sandbox.outage import level_of
from tests.engine_stand_in import standing_in
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from docker.transport import UnixHTTPAdapter

    from sandbox import SandboxUnavailable
    from tests.engine_checkpoint import Checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def test_the_engine_is_where_the_setting_says_then_docker_host_then_the_usual_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert docker_address(load_settings()) == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert docker_address(load_settings()) == "tcp://elsewhere:2375"
    assert docker_address(load_settings(docker_host="unix:///mine")) == "unix:///mine"


@pytest.mark.parametrize("address", ["ssh://me@host", "https://host:2376", "npipe:////./pipe/x"])
def test_an_address_that_needs_tls_or_ssh_is_refused_with_what_to_try(address: str) -> None:
    with pytest.raises(EngineUnreachable, match=f"{address} needs TLS or SSH.*Try: forward its socket"):
        connect(load_settings(docker_host=address))


def test_a_variable_that_asks_for_tls_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    with standing_in(tmp_path / "s") as there, pytest.raises(EngineUnreachable, match="needs TLS or SSH"):
        connect(load_settings(docker_host=there.url))


@pytest.mark.parametrize(("margin_s", "timeout_s"), [(5.9, 5), (0.3, 1)])
def test_each_call_is_given_up_after_a_margin(tmp_path: Path, margin_s: float, timeout_s: int) -> None:
    with standing_in(tmp_path / "s") as there:
        settings = load_settings(docker_host=there.url, engine_margin=margin_s)
        with closing(connect(settings)) as client:
            assert client.timeout == timeout_s


def test_a_client_keeps_one_pool_of_connections_whatever_it_is_asked_for(tmp_path: Path) -> None:
    with (
        standing_in(tmp_path / "s") as there,
        closing(connect(load_settings(docker_host=there.url))) as client,
    ):
        for number in range(30):
            assert find_image(client, f"image-{number}") is None
        adapter = cast("UnixHTTPAdapter", client.get_adapter("http+docker://localhost/x"))
        assert len(adapter.pools) == 1


NO_POOL: Any = None


def answer(code: int, explanation: str | None = "it says no") -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = code
    return docker.errors.APIError("the call", response=response, explanation=explanation)


def wrapped(error: Exception) -> Exception:
    """The error as requests and urllib3 raise it: inside the arguments of two other errors."""
    return requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", error))


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answer(500), EngineFailed, r"^The engine could not make a cell: it says no\.$"),
        (answer(409, None), EngineFailed, "could not make a cell: 409 Client Error"),
        (answer(500, "No Space Left on device"), EngineUnfit, "Try: free disk on the engine's host"),
        (
            answer(503),
            EngineUnreachable,
            "^A proxy before the engine at tcp://x says that the engine does not answer",
        ),
        (
            docker.errors.ImageNotFound("x", explanation="No such image"),
            ImageMissing,
            "Try: cellblock images",
        ),
        (
            wrapped(PermissionError(13, "denied")),
            EngineUnreachable,
            "No permission .* at tcp://x.*usermod -aG",
        ),
        (wrapped(PermissionError(1, "denied")), EngineUnreachable, "No permission"),
        (wrapped(FileNotFoundError(2, "none")), EngineUnreachable, "No container engine answers at tcp://x"),
        (wrapped(ConnectionRefusedError(111, "no")), EngineUnreachable, "Try: sudo systemctl start docker"),
        (wrapped(TimeoutError("slow")), EngineUnreachable, "at tcp://x did not make a cell in time"),
        (requests.exceptions.ReadTimeout("slow"), EngineUnreachable, "did not make a cell in time"),
        (
            urllib3.exceptions.ReadTimeoutError(NO_POOL, "", ""),
            EngineUnreachable,
            "did not make a cell in time",
        ),
        (wrapped(ConnectionResetError(104, "reset")), EngineUnreachable, "could not be asked to make a cell"),
        (docker.errors.DockerException(), EngineUnreachable, r"make a cell: DockerException\.$"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_whatever_the_sdk_or_a_layer_below_it_raises_becomes_one_of_ours(
    error: Exception, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught, mapped_errors("make a cell", "tcp://x"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_an_error_that_is_its_own_cause_is_told_all_the_same() -> None:
    error = OSError("odd")
    error.__context__ = ValueError("round", error)
    assert isinstance(map_error(error, "see"), EngineUnreachable)


def test_what_is_no_error_of_the_engine_passes() -> None:
    with pytest.raises(ZeroDivisionError), mapped_errors("see"):
        raise ZeroDivisionError


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_engine_behind_a_proxy_that_stands_alone_does_not_answer_a_ping(
    checkpoint: Checkpoint, status: int
) -> None:
    checkpoint.refuse("GET /_ping", status)
    with pytest.raises(EngineUnreachable, match="says that the engine does not answer"):
        ping(load_settings(docker_host=checkpoint.url))


def test_an_answer_without_a_date_tells_no_time(checkpoint: Checkpoint) -> None:
    with closing(connect(load_settings(docker_host=checkpoint.url))) as client:
        checkpoint.refuse("GET /_ping", 200)
        with pytest.raises(EngineFailed, match="no valid Date header"):
            ask_the_time(client)


def test_an_engine_that_answers_anything_else_is_there(checkpoint: Checkpoint) -> None:
    checkpoint.refuse("GET /_ping", 500)
    ping(load_settings(docker_host=checkpoint.url))


@pytest.mark.parametrize(("margin_s", "patience_s"), [(0.5, 1), (3, 1), (6, 2), (15, 5)])
def test_an_engine_has_a_third_of_a_margin_to_answer_a_ping(margin_s: float, patience_s: int) -> None:
    assert of_engine._patience_s(load_settings(engine_margin=margin_s)) == patience_s


def test_an_engine_that_does_not_answer_a_ping_in_time_is_away(checkpoint: Checkpoint) -> None:
    checkpoint.stall("GET /_ping")
    began = time.monotonic()
    with pytest.raises(EngineUnreachable, match="did not answer in time"):
        ping(load_settings(docker_host=checkpoint.url, engine_margin=1))
    assert time.monotonic() - began < 10 * PATIENCE


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (EngineUnreachable("away"), logging.DEBUG),
        (EngineFailed("no"), logging.WARNING),
        (CellLost("gone"), logging.WARNING),
    ],
)
def test_that_an_engine_is_away_is_no_news_of_whoever_meets_it(error: SandboxUnavailable, level: int) -> None:
    assert level_of(error) == level


def test_a_ping_is_one_call_and_no_other(checkpoint: Checkpoint) -> None:
    ping(load_settings(docker_host=checkpoint.url))
    assert checkpoint.calls == ["GET /_ping"]
