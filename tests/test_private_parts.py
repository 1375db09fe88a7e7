"""The private parts of libraries that the product uses: each is there still, and listed with its reason."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs/explanation/private-parts.md"
PACKAGES = ("config", "sandbox", "tasks", "api", "cli", "client/src/cellblock")
_SECTION = re.compile(r"^## `([\w/.]+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([\w.]+)` \|", re.MULTILINE)
ROWS = [(part, module) for module, rows in _SECTION.findall(PAGE.read_text()) for part in _ROW.findall(rows)]
# These are public, although the name begins with an underscore.
_NOT_PRIVATE = {"_exit"}


def uses() -> dict[str, set[str]]:
    """Each private name that its module does not define, with the modules that use it."""
    found = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for name in set(used_in(tree)) - set(defined_in(tree)) - _NOT_PRIVATE:
                found[name].add(str(path.relative_to(ROOT)))
    return found


def used_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(attr=name)
                | ast.Subscript(value=ast.Call(func=ast.Name("vars")), slice=ast.Constant(str(name)))
            ):
                if name.startswith("_") and not name.startswith("__"):
                    yield name


def defined_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(value=ast.Name("self"), attr=name, ctx=ast.Store()):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name


def test_each_private_part_of_a_library_is_listed_and_used_in_one_module() -> None:
    listed = defaultdict(set)
    for part, module in ROWS:
        listed[part.rpartition(".")[2]].add(module)
    assert uses() == listed, f"see {PAGE}"


@pytest.mark.parametrize(("part", "module"), ROWS, ids=[part for part, _ in ROWS])
def test_the_library_has_it_still(part: str, module: str) -> None:
    place, _, name = part.rpartition(".")
    owner = resolved(place)
    is_there = hasattr(owner, name) or f".{name}" in inspect.getsource(owner)
    assert is_there, f"{part} is gone. Look at {module}, and at its row in {PAGE}"


def resolved(place: str) -> Any:
    """The module, class or function of this name."""
    parts = place.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            found = getattr(found, name)
        return found
    raise LookupError(place)
