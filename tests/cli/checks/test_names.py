"""Somebody else's `config`, `sandbox` or `tasks` where Python looks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT, run_cli

if TYPE_CHECKING:
    from pathlib import Path


WORDS = "Python finds another 'config' before ours"


def first(folder: Path) -> dict[str, str]:
    """The environment in which Python looks there first, and not in the current folder, as in a script."""
    return {"PYTHONPATH": f"{folder}:{ROOT}", "PYTHONSAFEPATH": "1"}


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with a module of somebody else's."""
    (tmp_path / "config.py").write_text("DEBUG = True\n")
    return tmp_path


def test_doctor_finds_it_though_it_stands_before_ours(strange: Path) -> None:
    outcome = run_cli("doctor", "names", **first(strange))
    assert outcome.returncode == 125
    assert f"{WORDS}: {strange}/config.py\n" in outcome.stdout


def test_every_other_command_stops_with_one_sentence(strange: Path) -> None:
    outcome = run_cli("run", "--", "true", **first(strange))
    assert (outcome.returncode, outcome.stderr) == (
        125,
        f"cellblock: {WORDS}: {strange}/config.py. Try: cellblock doctor names\n",
    )


def test_one_in_the_current_folder_is_a_warning_to_an_app(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "tasks.py").touch()
    outcome = run_cli("doctor", "names", cwd=app, PYTHONSAFEPATH="1")
    assert outcome.returncode == 0
    assert "this folder has a 'tasks' of its own" in outcome.stdout
