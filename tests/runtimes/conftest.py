"""Small programs in every language, as files of a job."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import ImageMissing, Result
from sandbox.engines.docker.image_choice import ImageChoice
from tests.conftest import unavailable
from tests.oci_store import shared_store

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox

Program = Callable[[str, str], dict[str, object]]
Start = Callable[..., Result]

RUNTIMES = ("bash", "cpp", "dotnet", "java", "node", "python")
PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a function that compiles a C# program, because the .NET runtime runs only assemblies."""
    if shutil.which("mcs") is None:
        unavailable("There is no C# compiler. Try: apt-get install mono-mcs")

    def compiled(case: str) -> Path:
        folder = tmp_path_factory.mktemp(case)
        shutil.copytree(PROGRAMS / "dotnet" / case, folder, dirs_exist_ok=True)
        shutil.copy(PROGRAMS / "dotnet" / "main.runtimeconfig.json", folder)
        for source in sorted(folder.glob("*.cs"), reverse=True):
            _compile(source)
        return folder

    return compiled


def _compile(source: Path) -> None:
    """Compile one file. Libraries must be compiled before the main file, which refers to them."""
    is_main = source.stem == "main"
    others = [f"-r:{library.name}" for library in source.parent.glob("*.dll") if is_main]
    target = "exe" if is_main else "library"
    command = ["mcs", "-codepage:utf8", f"-target:{target}", f"-out:{source.stem}.dll", *others, source.name]
    subprocess.run(command, cwd=source.parent, check=True, timeout=60)
    source.unlink()


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Program:
    """Gives a function that returns the files of a program by runtime and name."""

    def files_of(runtime: str, case: str) -> dict[str, object]:
        if runtime == "dotnet":
            folder = request.getfixturevalue("assemblies")(case)
        else:
            folder = PROGRAMS / runtime / case
        return {str(path.relative_to(folder)): _content(path) for path in folder.rglob("*") if path.is_file()}

    return files_of


def _content(path: Path) -> dict[str, str]:
    return {"base64": base64.b64encode(path.read_bytes()).decode()}


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest, sandbox: Sandbox, engine: docker.APIClient) -> str:
    """Gives each runtime in turn. Its image must exist on this machine."""
    name: str = request.param
    try:
        ImageChoice(engine).choose(sandbox.catalogue[name])
    except ImageMissing as error:
        unavailable(str(error))
    if sandbox.settings.engine_name == "oci":
        shared_store(engine, [name])
    return name


@pytest.fixture
def start(sandbox: Sandbox, program: Program, runtime: str) -> Start:
    """Gives a function that starts a program of this runtime by its files alone."""

    def started(case: str, **request: object) -> Result:
        return sandbox.run(None, None, files=program(runtime, case), **request)

    return started
