"""How a job with files but no command is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load_catalogue
from sandbox import InvalidJob
from sandbox.entrypoint import Stages, plan_start

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

GXX = ("g++", "-O2", "-pthread", "-o", "program")

NODE = ("node", "--no-detect-ineffective-gcs-near-heap-limit")


def plan(runtime: str, *files: str) -> Stages:
    return plan_start(load_catalogue()[runtime], files)


@pytest.mark.parametrize(
    ("runtime", "files", "run"),
    [
        ("python", ["z.py", "main.py"], ("python3", "main.py")),
        ("python", ["app.py", "__main__.py"], ("python3", "__main__.py")),
        ("python", ["only.py", "data.csv"], ("python3", "only.py")),
        ("node", ["index.js", "a.js"], (*NODE, "index.js")),
        ("node", ["package.json", "a.js", "b.js"], (*NODE, ".")),
        ("bash", ["run.sh", "a.sh"], ("/bin/sh", "run.sh")),
        ("dotnet", ["main.dll", "library.dll"], ("dotnet", "main.dll")),
        ("python", ["-c.py"], ("python3", "./-c.py")),
    ],
)
def test_the_file_that_stands_out_is_the_one_to_start(
    runtime: str, files: list[str], run: tuple[str, ...]
) -> None:
    assert plan(runtime, *files) == Stages(compile=(), run=run)


@pytest.mark.parametrize(
    ("files", "compile_", "run"),
    [
        (["b.cpp", "a.cc", "a.h"], (*GXX, "a.cc", "b.cpp"), ("./program",)),
        (["lib/x.cpp", "main.cpp"], (*GXX, "lib/x.cpp", "main.cpp"), ("./program",)),
        (["-o.cpp"], (*GXX, "./-o.cpp"), ("./program",)),
        (["Makefile", "main.cpp"], ("make", "-s"), ("make", "-s", "run")),
    ],
)
def test_a_compiler_gets_all_sources_in_order(
    files: list[str], compile_: tuple[str, ...], run: tuple[str, ...]
) -> None:
    assert plan("cpp", *files) == Stages(compile=compile_, run=run)


@pytest.mark.parametrize(
    ("files", "class_"),
    [(["Main.java", "A.java"], "Main"), (["org/x/Main.java"], "org.x.Main"), (["Hello.java"], "Hello")],
)
def test_java_starts_the_class_of_its_main_file(files: list[str], class_: str) -> None:
    stages = plan("java", *files)
    assert stages.run[-1] == class_
    assert stages.compile[-len(files) :] == tuple(sorted(files))


@pytest.mark.parametrize(
    ("runtime", "files"),
    [("python", ["b.py", "a.py"]), ("bash", ["b.sh", "a.sh"]), ("java", ["b.jar", "a.jar"])],
)
def test_several_that_could_be_the_one_are_refused_by_name(runtime: str, files: list[str]) -> None:
    with pytest.raises(InvalidJob, match=rf"could be the one to start: {', '.join(sorted(files))}\. Give a"):
        plan(runtime, *files)


def test_files_that_the_runtime_starts_with_none_of_are_refused_with_its_patterns() -> None:
    with pytest.raises(
        InvalidJob, match=r"runtime 'bash' needs one of these in files: main\.sh, run\.sh, \*"
    ):
        plan("bash", "notes.txt")


@given(st.permutations(["main.cpp", "b.cpp", "a/c.cc", "a/c.h"]))
def test_the_order_of_the_files_makes_no_difference(files: list[str]) -> None:
    assert plan("cpp", *files) == plan("cpp", *sorted(files))


def test_each_stage_is_told_the_memory_of_its_own_cell() -> None:
    stages = Stages(("cc", "{memory_mib}"), ("run", "{heap_mib}"))
    assert stages.for_memory(256 << 20, 64 << 20) == Stages(("cc", "256"), ("run", "48"))


def test_a_job_with_a_command_of_its_own_is_not_compiled(parse: Parse) -> None:
    job = parse("make", files={"main.cpp": ""})
    assert (job.compile, job.argv) == (None, ("/bin/sh", "-c", "make"))
