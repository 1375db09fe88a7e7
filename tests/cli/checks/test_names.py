"""Modules of other software named `config`, `sandbox` or `tasks`, which Python finds first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from cli import names
from cli.names import OURS, PACKAGES, put_ours_first, strangers
from tests.programs import ROOT, run_cli

if TYPE_CHECKING:
    from pathlib import Path


WORDS = "Python finds another 'config' before ours"


def first(folder: Path) -> dict[str, str]:
    """The environment of a script in which Python looks in `folder` first, and not in the current folder."""
    return {"PYTHONPATH": f"{folder}:{ROOT}", "PYTHONSAFEPATH": "1"}


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Gives a folder with a foreign `config` module."""
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


def test_an_api_of_others_stops_the_command_that_needs_ours_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "api.py").touch()
    outcome = run_cli("api", "--port=0", **first(tmp_path))
    assert (outcome.returncode, "another 'api' before ours" in outcome.stderr) == (125, True)
    assert run_cli("doctor", "settings", **first(tmp_path)).returncode == 0


def test_one_in_the_current_folder_is_a_warning_to_an_app(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "tasks.py").touch()
    outcome = run_cli("doctor", "names", cwd=app, PYTHONSAFEPATH="1")
    assert outcome.returncode == 0
    assert "this folder has a 'tasks' of its own" in outcome.stdout


@pytest.mark.parametrize("kind", ["module", "package", "folder"])
def test_a_module_a_package_and_a_bare_folder_can_each_stand_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = tmp_path / ("tasks.py" if kind == "module" else "tasks")
    place.touch() if kind == "module" else place.mkdir()
    if kind == "package":
        (place / "__init__.py").touch()
    monkeypatch.setattr(names, "_PATH", [str(tmp_path)])
    assert strangers() == {"tasks": place}


def test_ours_are_no_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (PACKAGES, OURS) == (("config", "sandbox", "tasks"), ROOT)
    monkeypatch.setattr(names, "_PATH", [str(ROOT)])
    assert strangers() == {}


def test_ours_can_be_put_first_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    put_ours_first()
    assert sys.path == [str(ROOT), "/elsewhere"]
