"""`cellblock images pull`, with a fake engine instead of a registry."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import EngineFailed
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.image_choice import split_name
from sandbox.engines.docker.image_pull import LayerProgress, pull_image
from tests.engine_stand_in import standing_in
from tests.programs import ROOT, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine_stand_in import StandIn

LAYERS: list[dict[str, object]] = [
    {"status": "Pulling from library/alpine", "id": "latest"},
    {"status": "Pulling fs layer", "id": "aaa", "progressDetail": {}},
    {"status": "Downloading", "id": "aaa", "progressDetail": {"current": 5, "total": 10}},
    {"status": "Downloading", "id": "bbb", "progressDetail": {"current": 1, "total": 4}},
    {"status": "Pull complete", "id": "aaa", "progressDetail": {}},
    {"status": "Status: Downloaded newer image for alpine:latest"},
]


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(tmp_path / "engine.sock") as server:
        server.lines = LAYERS
        yield server


def pull(stand_in: StandIn, name: str) -> list[LayerProgress]:
    client = connect(load_settings(docker_host=stand_in.url))
    try:
        return list(pull_image(client, name))
    finally:
        client.close()


def on_a_terminal(*arguments: str, **settings: str) -> str:
    """What the command writes to standard error if that is a terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"} | settings
    process = subprocess.Popen([sys.executable, "-m", "cli", *arguments], env=environment, stderr=theirs)
    os.close(theirs)
    shown = b""
    # A terminal whose other end is closed gives an error when read.
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):
        while piece := terminal.read(4096):
            shown += piece
    assert process.wait(30) == 0
    return shown.decode()


def test_progress_is_told_layer_by_layer(stand_in: StandIn) -> None:
    told = pull(stand_in, "alpine:latest")
    assert LayerProgress("aaa", "Downloading", 5, 10) in told
    assert LayerProgress("aaa", "Pull complete", 0, 0) in told


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("alpine", ("alpine", "latest")),
        ("python:3.11-slim", ("python", "3.11-slim")),
        ("registry.test:5000/team/x", ("registry.test:5000/team/x", "latest")),
        ("registry.test:5000/x:1", ("registry.test:5000/x", "1")),
        ("python@sha256:abc", ("python", "sha256:abc")),
    ],
)
def test_exactly_the_named_image_is_asked_for(stand_in: StandIn, name: str, parts: tuple[str, str]) -> None:
    pull(stand_in, name)
    assert stand_in.pulled == [parts] == [split_name(name)]


def test_what_the_registry_refuses_is_an_error_with_its_words(stand_in: StandIn) -> None:
    stand_in.lines = [{"error": "manifest for alpine:9 not found"}, {"error": "and more"}, {"status": "x"}]
    with pytest.raises(EngineFailed, match=r"could not pull alpine:9: manifest for alpine:9 not found$"):
        pull(stand_in, "alpine:9")


def test_off_a_terminal_there_is_a_plain_line_for_each_layer(stand_in: StandIn) -> None:
    done = run_cli("images", "pull", "bash", CELLBLOCK_DOCKER_HOST=stand_in.url)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, "\x1b" in done.stderr) == (0, "", False)
    assert [line for line in lines if "aaa" in line or "bbb" in line] == [
        "cellblock: bash aaa",
        "cellblock: bash bbb",
    ]


def test_on_a_terminal_there_is_a_bar_for_each_layer(stand_in: StandIn) -> None:
    shown = on_a_terminal("images", "pull", "bash", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert "bash aaa" in shown
    assert "━" in shown


def test_quiet_says_nothing(stand_in: StandIn) -> None:
    done = run_cli("images", "pull", "bash", "--quiet", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_image_that_is_here_is_not_pulled(tmp_path: Path) -> None:
    image: dict[str, object] = {"Id": "sha256:1", "Size": 1}
    with standing_in(tmp_path / "engine.sock", **{"bash:5": image}) as stand_in:
        assert run_cli("images", "pull", "bash", CELLBLOCK_DOCKER_HOST=stand_in.url).returncode == 0
    assert stand_in.pulled == []


def test_an_image_that_is_here_is_pulled_if_told_to(tmp_path: Path) -> None:
    image: dict[str, object] = {"Id": "sha256:1", "Size": 1}
    with standing_in(tmp_path / "engine.sock", **{"bash:5": image}) as stand_in:
        done = run_cli("images", "pull", "bash", "--force", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, stand_in.pulled) == (0, [("bash", "5")])


def test_a_pull_that_fails_is_a_sentence_and_the_exit_code_of_the_sandbox(stand_in: StandIn) -> None:
    stand_in.lines = [{"error": "no basic auth credentials"}]
    done = run_cli("images", "pull", "bash", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, "no basic auth credentials" in done.stderr) == (125, True)


def test_a_pull_that_fails_keeps_nobody_from_the_next_one(stand_in: StandIn) -> None:
    stand_in.lines = [{"error": "no such manifest"}]
    done = run_cli("images", "pull", "bash", "python", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, done.stderr.count("no such manifest")) == (125, 2)
    assert [name for name, _ in stand_in.pulled] == ["bash", "python"]


def test_the_image_of_a_runtimes_compiler_is_pulled_too(stand_in: StandIn) -> None:
    assert run_cli("images", "pull", "dotnet", CELLBLOCK_DOCKER_HOST=stand_in.url).returncode == 0
    assert [name.rpartition("/")[2] for name, _ in stand_in.pulled] == ["runtime", "sdk"]


def test_an_image_with_packages_is_never_asked_of_a_registry(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtimes.toml").write_text('[data]\nextends = "python"\npackages = ["numpy"]\n')
    monkeypatch.setenv("CELLBLOCK_RUNTIMES", str(tmp_path / "runtimes.toml"))
    named = run_cli("images", "pull", "data", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (named.returncode, "Try: cellblock images build data" in named.stderr) == (125, True)
    everything = run_cli("images", "pull", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (everything.returncode, "data" in everything.stderr) == (0, False)
