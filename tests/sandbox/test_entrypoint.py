"""How a job with files but no command is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load_catalogue
from sandbox import InvalidJob
from sandbox.entrypoint import Stages, plan_start

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

GXX = ("g++", "-O2", "-pthread", "-I.", "-o", "program", "-x", "c", "-x", "none")
LIBRARIES = ("-lstdc++", "-lm")
BASH = "{bash}"

NODE = ("node", "--no-detect-ineffective-gcs-near-heap-limit")


def plan(runtime: str, *files: str) -> Stages:
    return plan_start(load_catalogue()[runtime], dict.fromkeys(files, b""))


@pytest.mark.parametrize(
    ("runtime", "files", "run"),
    [
        ("python", ["z.py", "main.py"], ("python3", "main.py")),
        ("python", ["app.py", "__main__.py"], ("python3", "__main__.py")),
        ("python", ["only.py", "data.csv"], ("python3", "only.py")),
        ("node", ["index.js", "a.js"], (*NODE, "index.js")),
        ("bash", ["run.sh", "a.sh"], (BASH, "run.sh")),
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
        (["b.cpp", "a.cc", "a.h"], (*GXX, "a.cc", "b.cpp", *LIBRARIES), ("./program",)),
        (["lib/x.cpp", "main.cpp"], (*GXX, "lib/x.cpp", "main.cpp", *LIBRARIES), ("./program",)),
        (["-o.cpp"], (*GXX, "./-o.cpp", *LIBRARIES), ("./program",)),
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
        InvalidJob, match=r"runtime 'bash' needs one of these in files: main\.sh, .* It has a\.txt, b\.txt\."
    ):
        plan("bash", "b.txt", "a.txt")


@given(st.permutations(["main.cpp", "b.cpp", "a/c.cc", "a/c.h"]))
def test_the_order_of_the_files_makes_no_difference(files: list[str]) -> None:
    assert plan("cpp", *files) == plan("cpp", *sorted(files))


def test_each_stage_is_told_the_memory_of_its_own_cell() -> None:
    stages = Stages(("cc", "{memory_mib}"), ("run", "{heap_mib}"))
    assert stages.compile_argv(256 << 20) == ("cc", "256")
    assert stages.run_argv(64 << 20) == ("run", "48")


def test_a_job_with_a_command_of_its_own_is_not_compiled(parse: Parse) -> None:
    job = parse("make", files={"main.cpp": ""})
    assert (job.compile, job.argv) == (None, ("/bin/sh", "-c", "make"))


MAIN = "public static void main(String[] args) { }"
PACKAGE = '{"main": "lib/start.js", "scripts": {"start": "node serve.js"}}'


@pytest.mark.parametrize(
    ("files", "run"),
    [
        ({"proj/main.py": "", "proj/util.py": ""}, ("python3", "proj/main.py")),
        ({"app/__main__.py": "", "app/__init__.py": ""}, ("python3", "-m", "app")),
        ({"app/__main__.py": "", "app/util.py": ""}, ("python3", "app/__main__.py")),
        ({"main.py": "", "static/app.js": ""}, ("python3", "main.py")),
        ({"main.py": "", "tool.js": ""}, ("python3", "main.py")),
        ({"MAIN.PY": ""}, ("python3", "MAIN.PY")),
        ({"tool": "#!/usr/bin/env python3\n", "notes.txt": ""}, ("python3", "tool")),
        ({"package.json": PACKAGE}, ("/bin/sh", "-c", "PATH=$PATH:node_modules/.bin; node serve.js")),
        ({"package.json": '{"main": "./lib"}', "lib/index.js": "", "index.js": ""}, (*NODE, ".")),
        ({"package.json": '{"main": "index.js"}', "server.js": ""}, (*NODE, "server.js")),
        ({"a.py": "", "b.py": "x = 1\nif __name__ == '__main__':\n"}, ("python3", "b.py")),
        ({"package.json": "no JSON", "index.js": ""}, (*NODE, "index.js")),
        (
            {"main.ts": ""},
            (*NODE, "--experimental-transform-types", "--disable-warning=ExperimentalWarning", "main.ts"),
        ),
        ({"App.dll": "", "Lib.dll": "", "App.runtimeconfig.json": ""}, ("dotnet", "App.dll")),
        ({"x.sh": "#!/bin/bash -eu\n"}, (BASH, "-eu", "x.sh")),
        ({"x.sh": "#!/usr/bin/env bash\n"}, (BASH, "x.sh")),
        ({"x.sh": "#!/bin/sh -e\n"}, ("/bin/sh", "-e", "x.sh")),
    ],
)
def test_files_as_people_lay_them_out_start(
    parse: Parse, files: dict[str, str], run: tuple[str, ...]
) -> None:
    assert parse(None, files=files).argv == run


@pytest.mark.parametrize(
    ("files", "class_", "sources"),
    [
        ({"code.java": f"public class Hello {{ {MAIN} }}"}, "Hello", {"Hello.java"}),
        ({"Solution.java": f"class Main {{ {MAIN} }}"}, "Main", {"Solution.java"}),
        (
            {"App.java": f"class App {{ {MAIN} }}", "Help.java": "class Help { }"},
            "App",
            {"App.java", "Help.java"},
        ),
        (
            {"Main.java": "class Main { }", "Start.java": f"class Start {{ {MAIN} }}"},
            "Start",
            {"Main.java", "Start.java"},
        ),
        ({"Main.java": f"package com.acme; class Main {{ {MAIN} }}"}, "com.acme.Main", {"Main.java"}),
        ({"src/Main.java": f"class Main {{ {MAIN} }}"}, "Main", {"src/Main.java"}),
        (
            {"src/main/java/a/B.java": f"package a; class B {{ {MAIN} }}", "src/test/java/T.java": ""},
            "a.B",
            {"src/main/java/a/B.java"},
        ),
    ],
    ids=["another name", "another class", "one of two", "no Main", "package", "folder", "Maven"],
)
def test_java_starts_the_class_that_declares_main(
    parse: Parse, files: dict[str, str], class_: str, sources: set[str]
) -> None:
    job = parse(None, files=files)
    assert job.compile
    assert job.argv[-1] == class_
    assert {word for word in job.compile.argv if word.endswith(".java")} == sources
    assert sources <= set(job.files)


@pytest.mark.parametrize(
    ("files", "entry", "run"),
    [
        ({"a.py": "", "b.py": ""}, "b.py", ("python3", "b.py")),
        ({"main.py": "", "src/tool.py": ""}, "src/tool.py", ("python3", "src/tool.py")),
        ({"main.py": "", "tool.js": ""}, "tool.js", (*NODE, "tool.js")),
        ({"main.sh": "", "lib/x": "#!/bin/bash\n"}, "./lib/x", (BASH, "lib/x")),
    ],
)
def test_the_file_that_the_job_names_starts(
    parse: Parse, files: dict[str, str], entry: str, run: tuple[str, ...]
) -> None:
    assert parse(None, files=files, entry=entry).argv == run


def test_other_files_with_a_main_are_left_out_of_a_program_of_c(parse: Parse) -> None:
    files = {"a.c": "int main(void) {", "b.c": "int main() {", "c.c": "int c;"}
    job = parse(None, files=files, entry="a.c")
    assert job.compile
    assert [word for word in job.compile.argv if word.endswith(".c")] == ["a.c", "c.c"]


def test_c_beside_cpp_is_compiled_as_c(parse: Parse) -> None:
    job = parse(None, files={"a.cpp": "", "b.c": ""})
    assert job.compile
    assert job.compile.argv[-8:-2] == ("-x", "c", "b.c", "-x", "none", "a.cpp")


@pytest.mark.parametrize(("makefile", "run"), [("run:\n", "make"), ("all:\n\techo run: it\n", "/bin/sh")])
def test_a_makefile_without_run_starts_what_it_has_made(parse: Parse, makefile: str, run: str) -> None:
    assert parse(None, files={"Makefile": makefile}).argv[0] == run


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"files": {"a.ipynb": ""}}, r"No runtime starts a\.ipynb\. There are: bash \(\.sh\); cpp"),
        ({}, "cmd: give a command, or files to run"),
        ({"files": {"a.py": ""}, "entry": "b.py"}, "entry: 'b.py' is not in files"),
        ({"files": {"a.py": ""}, "entry": "../a.py"}, "entry.*leads outside /workspace"),
        (
            {"cmd": "true", "files": {"a.py": ""}, "entry": "a.py"},
            "entry: it says what starts if there is no",
        ),
        ({"files": {"a.py": "", "x.csv": ""}, "entry": "x.csv"}, r"No runtime starts x\.csv"),
        ({"files": {"p": "x"}, "runtime": "java"}, "runtime 'java' needs one of these.* It has p"),
    ],
)
def test_files_that_nobody_can_start_are_named(parse: Parse, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        parse(**({"cmd": None} | request_))


def test_a_compiler_of_c_finds_the_headers_and_its_own_first(parse: Parse) -> None:
    files = {"p/src/a.c": "", "p/include/x/y.h": "", "p/src/math.h": "", "z.h": ""}
    job = parse(None, files=files)
    assert job.compile
    found = ("-I.", "-Ip/include", "-iquote", "p/include/x", "-iquote", "p/src", "-o")
    assert job.compile.argv[3:10] == found
