"""`cellblock doctor`, and the messages of other commands when the installation has a problem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.doctor import CHECKS
from tests.programs import free_port, run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

NO_ENGINE = {"CELLBLOCK_DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def test_an_installation_in_order_is_exit_0(sandbox: Sandbox, broker_url: str) -> None:
    outcome = run_cli("doctor", "--json", CELLBLOCK_BROKER_URL=broker_url)
    levels = {finding["check"]: finding["level"] for finding in json.loads(outcome.stdout)}
    assert (outcome.returncode, list(levels)) == (0, list(CHECKS))
    assert not {"problem", "skipped"} & set(levels.values())


def test_a_stopped_engine_is_found_with_its_mend() -> None:
    outcome = run_cli("doctor", "engine", **NO_ENGINE)
    assert outcome.returncode == 125
    assert "No container engine answers at unix:///nonexistent/docker.sock" in outcome.stdout
    assert "Try: sudo systemctl start docker" in outcome.stdout


def test_an_unreachable_redis_is_found_with_its_mend() -> None:
    outcome = run_cli("doctor", "redis", CELLBLOCK_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert outcome.returncode == 125
    assert "cannot be reached" in outcome.stdout
    assert "Try: start it with redis-server" in outcome.stdout


def test_a_bad_setting_is_found_with_its_name_and_value() -> None:
    outcome = run_cli("doctor", DOCKER_TIMEOUT="soon")
    assert outcome.returncode == 125
    assert "DOCKER_TIMEOUT='soon'" in outcome.stdout


@pytest.mark.parametrize("check", ["engine", "redis", "settings", "images"])
def test_no_finding_is_a_traceback(check: str) -> None:
    broken = {"DOCKER_TIMEOUT": "soon", "CELLBLOCK_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    outcome = run_cli("doctor", check, **NO_ENGINE, **broken)
    assert (outcome.returncode, outcome.stderr) == (125, "")
    assert "Traceback" not in outcome.stdout


def test_findings_have_no_colours_off_a_terminal() -> None:
    assert "\x1b" not in run_cli("doctor", "settings", "names").stdout


def test_an_unknown_check_is_a_wrong_call() -> None:
    assert run_cli("doctor", "weather").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        (["worker"], {"DOCKER_TIMEOUT": "soon"}, 2, "DOCKER_TIMEOUT='soon'"),
        (["worker"], {"CELLBLOCK_AUTOSCALE": "2,8"}, 2, "the largest pool first"),
        (["worker"], {"CELLBLOCK_BROKER_URL": "redis://127.0.0.1:1/0"}, 125, "cannot be reached"),
        (["flower"], {}, 2, "CELLBLOCK_FLOWER_BASIC_AUTH is not set"),
        (
            ["submit", "--", "true"],
            {"CELLBLOCK_BROKER_URL": "redis://127.0.0.1:1/0"},
            125,
            "cannot be reached",
        ),
        (["result", "1"], {"CELLBLOCK_BROKER_URL": "redis://:pw@127.0.0.1:1/0"}, 125, "cannot be reached"),
        (["images", "ls"], NO_ENGINE, 125, "No container engine answers"),
        (["images", "pull", "cobol"], {}, 2, "There is no runtime 'cobol'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_not_in_order_is_one_sentence(
    arguments: list[str], settings: dict[str, str], code: int, words: str
) -> None:
    outcome = run_cli(*arguments, **settings)
    assert (outcome.returncode, outcome.stdout, outcome.stderr.count("\n")) == (code, "", 1)
    assert words in outcome.stderr
    assert "pw" not in outcome.stderr


@pytest.mark.parametrize("command", [["logs", "1"], ["cancel", "1"], ["ps"], ["flower"]], ids=" ".join)
def test_a_redis_that_lets_nobody_in_is_one_sentence_before_anything_is_asked(
    broker_url: str, command: list[str]
) -> None:
    settings = {
        "CELLBLOCK_BROKER_URL": broker_url.replace("://", "://nobody:hunter2@"),
        "CELLBLOCK_FLOWER_BASIC_AUTH": "u:hunter2",
    }
    outcome = run_cli(*command, **settings)
    assert (outcome.returncode, outcome.stdout, outcome.stderr.count("\n")) == (125, "", 1)
    assert "refuses the user or the password" in outcome.stderr
    assert "hunter2" not in outcome.stderr


@pytest.mark.parametrize("command", ["worker", "guard"])
def test_a_catalogue_above_the_operators_own_maxima_keeps_both_from_starting(
    tmp_path: Path, command: str
) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text("[python.limits]\npids = 2000\n")
    outcome = run_cli(command, CELLBLOCK_RUNTIMES=str(catalogue))
    assert (outcome.returncode, outcome.stderr.count("\n")) == (2, 1)
    assert outcome.stderr.startswith("cellblock: Runtime catalogue, python.limits: pids=2000 is above")


def test_a_worker_does_not_start_without_its_engine(broker_url: str) -> None:
    outcome = run_cli("worker", CELLBLOCK_BROKER_URL=broker_url, **NO_ENGINE)
    assert outcome.returncode == 125
    assert outcome.stderr.startswith("cellblock: No container engine answers")
