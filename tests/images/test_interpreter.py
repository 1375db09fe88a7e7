"""Modules are compiled by the image's own Python, from its packages, and always to the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images import Cache, load_recipe
from sandbox.images.build import debian_for
from sandbox.images.interpreter import Interpreter
from sandbox.images.progress import silent
from sandbox.images.trim import Trim
from tests.conftest import unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Deb

pytestmark = pytest.mark.slow

#: Starts every file of compiled modules of Python 3.11, whichever Python runs these tests.
MAGIC = b"\xa7\x0d\r\n"
# That the file is valid whatever the time of its source is.
NEVER_CHECKED = (1).to_bytes(4, "little")
FOLDER = "/usr/local/lib/python3.11/dist-packages"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """Gives the Python of Debian 12, unpacked."""
    recipe = load_recipe("python")
    debian = debian_for(recipe, "amd64", Cache.default())
    try:
        if not debian.fingerprint():
            debian.refresh()
        debs = debian.download(debian.closure(recipe.packages, recipe.exclude, recipe.ignore), silent)
    except ImageBuildFailed as error:
        unavailable(str(error))
    return Interpreter.unpacked(debs, Trim.of(recipe.drop, recipe.keep), tmp_path_factory.mktemp("root"))


def compiled(python: Interpreter, sources: Path, results: Path, **modules: str) -> dict[str, bytes]:
    """The compiled modules by their paths below the folder."""
    home = sources / FOLDER.lstrip("/")
    for name, text in modules.items():
        path = home / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python.compile([FOLDER], sources, results)
    found = results.rglob("*.pyc")
    return {str(path.relative_to(results / FOLDER.lstrip("/"))): path.read_bytes() for path in found}


def test_a_module_is_compiled_for_the_images_python_and_never_checked_again(
    python: Interpreter, tmp_path: Path
) -> None:
    found = compiled(python, tmp_path / "sources", tmp_path / "results", one="x = 1\n")
    assert list(found) == ["__pycache__/one.cpython-311.pyc"]
    assert found["__pycache__/one.cpython-311.pyc"].startswith(MAGIC + NEVER_CHECKED)


def test_a_module_knows_its_path_in_the_image(python: Interpreter, tmp_path: Path) -> None:
    (text,) = compiled(python, tmp_path / "sources", tmp_path / "results", one="x = 1\n").values()
    assert f"{FOLDER}/one.py".encode() in text
    assert str(tmp_path).encode() not in text


def test_the_same_modules_make_the_same_bytes(python: Interpreter, tmp_path: Path) -> None:
    modules = {f"m{number}": f"x = {{'a', 'b', {number}}}\ndef f(y='a'): return y\n" for number in range(8)}
    first, second = (
        compiled(python, tmp_path / name / "sources", tmp_path / name / "results", **modules)
        for name in ("one", "two")
    )
    assert len(first) == 8
    assert first == second


def test_tests_and_what_is_no_python_are_left_out(python: Interpreter, tmp_path: Path) -> None:
    modules = {"good": "", "template": "x = {{ name }}}\n", "pkg__tests__test_x": ""}
    found = compiled(python, tmp_path / "sources", tmp_path / "results", **modules)
    assert list(found) == ["__pycache__/good.cpython-311.pyc"]


def test_packages_without_python_are_told_so(tmp_path: Path, deb: Deb) -> None:
    python = Interpreter.unpacked([deb("bash", {"usr/bin/bash": "x"})], Trim.of((), ()), tmp_path / "root")
    with pytest.raises(ImageBuildFailed, match=r"bring no Python; add python3 to it"):
        _ = python.site


def test_a_python_for_another_machine_is_told_so(tmp_path: Path, deb: Deb) -> None:
    files = {"usr/bin/python3.11": "x", "usr/lib/other/ld-linux.so.1": "\x7fELF, but not for this machine"}
    modes = {"usr/lib/other/ld-linux.so.1": 0o755}
    python = Interpreter.unpacked([deb("python", files, modes=modes)], Trim.of((), ()), tmp_path / "root")
    with pytest.raises(ImageBuildFailed, match=r"cannot run here \(Exec format error\); build on a"):
        compiled(python, tmp_path / "sources", tmp_path / "results", one="")
