"""The rules for the code: imports go one way, exported names exist, and no module is too long."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import api
import cellblock
import cli
import config
import sandbox
import tasks
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = (config, sandbox, tasks, api, cli, cellblock)
MODULES = sorted(
    found.name
    for package in PACKAGES
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__")
)
FILES = sorted(file for package in PACKAGES for file in Path(package.__path__[0]).rglob("*.py"))


def test_imports_go_one_way() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
        "--no-cache",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT / "client" / "src")}
    outcome = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_no_module_of_tasks_imports_itself_by_way_of_others() -> None:
    """This includes imports inside functions and imports for the type checker."""
    names = [name for name in MODULES if name.startswith("tasks.")]
    TopologicalSorter({name: set(_imported_by(name)) - {name} for name in names}).prepare()


def _imported_by(name: str) -> Iterator[str]:
    path = ROOT.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                yield whole if whole in MODULES else node.module


@pytest.mark.parametrize("name", [*(package.__name__ for package in PACKAGES), *MODULES])
def test_what_a_module_exports_is_there(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert [name for name in exported if not hasattr(module, name)] == []
    assert len(exported) == len(set(exported))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_package_exports_everything_that_it_imports_for_others(package: ModuleType) -> None:
    imported = {
        name
        for name, value in vars(package).items()
        if getattr(value, "__module__", "").startswith(f"{package.__name__}.")
    }
    assert imported - set(package.__all__) == set()


def test_the_sandbox_exports_every_error() -> None:
    assert set(importlib.import_module("sandbox.errors").__all__) <= set(sandbox.__all__)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_is_longer_than_400_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400
