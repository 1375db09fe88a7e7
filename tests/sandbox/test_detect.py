"""The choice of the runtime for a job that names none, and the reason for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load_catalogue
from sandbox import InvalidJob
from sandbox.detect import choose_runtime

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

OWNED = [(ending, name) for name, runtime in load_catalogue().items() for ending in runtime.extensions]


@pytest.mark.parametrize(("ending", "runtime"), OWNED)
def test_a_files_extension_names_the_runtime(parse: Parse, ending: str, runtime: str) -> None:
    assert parse(files={f"a/b{ending}": ""}).runtime.name == runtime


@pytest.mark.parametrize(
    ("shebang", "runtime"),
    [
        ("#!/usr/bin/python3\n", "python"),
        ("#!/usr/bin/env python3\n", "python"),
        ("#! /usr/bin/env -S node --no-warnings\n", "node"),
        ("#!/bin/sh\n", "bash"),
        ("#!/usr/bin/awk -f\n", "bash"),
        ("#!", "bash"),
        ("python3\n", "bash"),
    ],
)
def test_a_shebang_names_the_runtime_of_files_with_no_extension(
    parse: Parse, shebang: str, runtime: str
) -> None:
    assert parse(files={"tool": shebang}).runtime.name == runtime


@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        *[
            ("python3", "python"),
            ("Python", "python"),
            ("js", "node"),
            ("JavaScript", "node"),
            ("sh", "bash"),
        ],
        *[("c", "cpp"), ("C++", "cpp"), ("csharp", "dotnet"), ("BASH", "bash"), ("typescript", "node")],
    ],
)
def test_a_runtime_answers_to_the_names_that_people_use(parse: Parse, name: str, runtime: str) -> None:
    assert parse("true", name).runtime.name == runtime


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        (["main.py", "static/app.js", "static/lib/x.js"], "python"),
        (["web/index.js", "web/tools/gen.py"], "node"),
        (["main.cpp", "build.sh"], "cpp"),
        (["index.js", "check.py"], "node"),
    ],
)
def test_the_highest_folder_and_then_a_main_file_decide_between_runtimes(
    parse: Parse, files: list[str], runtime: str
) -> None:
    assert parse("true", files=dict.fromkeys(files, "")).runtime.name == runtime


def test_the_extension_comes_before_the_shebang(parse: Parse) -> None:
    assert parse(files={"a.py": "#!/bin/sh\n"}).runtime.name == "python"


def test_a_job_with_nothing_to_tell_by_is_bash(parse: Parse) -> None:
    assert parse("true", files={"notes.txt": ""}).runtime.name == "bash"


def test_a_named_runtime_comes_before_the_files(parse: Parse) -> None:
    assert parse("true", "node", files={"a.py": ""}).runtime.name == "node"


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("package.json", "node"), ("sub/Makefile", "cpp"), ("pom.xml", "java"), ("requirements.txt", "python")],
)
def test_a_files_name_tells_when_nothing_else_does(parse: Parse, name: str, runtime: str) -> None:
    assert parse(files={name: "", "notes.txt": ""}).runtime.name == runtime


def test_the_shebang_comes_before_the_name(parse: Parse) -> None:
    assert parse(files={"package.json": "{}", "tool": "#!/usr/bin/python3\n"}).runtime.name == "python"


@pytest.mark.parametrize(
    ("runtime", "files", "reason"),
    [
        ("python", {"a.js": ""}, "the job names it"),
        (None, {"b.py": "", "a.py": ""}, "a.py ends in .py"),
        (None, {"tool": "#!/usr/bin/env node\n"}, "tool starts with #! and node"),
        (None, {"x/Makefile": ""}, "x/Makefile is a file of its kind"),
        (None, {"notes.txt": ""}, "no file shows the runtime, so it is the default"),
    ],
)
def test_the_choice_comes_with_its_reason(
    parse: Parse, runtime: str | None, files: dict[str, str], reason: str
) -> None:
    assert parse("true", runtime, files=files).detected == reason


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "", "b.js": ""},
        {"one": "#!/usr/bin/python3\n", "two": "#!/usr/bin/node\n"},
        {"package.json": "", "pyproject.toml": ""},
    ],
    ids=["extension", "shebang", "name"],
)
def test_files_of_several_runtimes_are_refused_with_the_candidates(
    parse: Parse, files: dict[str, str]
) -> None:
    with pytest.raises(InvalidJob, match=r"several runtimes: node \(.*\); python \(.*\)\. Name the one"):
        parse("true", files=files)


@given(st.permutations(["z.py", "a.py", "tool", "package.json", "data.csv"]))
def test_the_order_of_the_files_makes_no_difference(paths: list[str]) -> None:
    choice = choose_runtime(None, dict.fromkeys(paths, b"#!/bin/sh\n"), load_catalogue())
    assert (choice.runtime.name, choice.reason) == ("python", "a.py ends in .py")
