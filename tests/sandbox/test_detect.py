"""Which runtime a job means that names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_catalogue

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


def test_the_extension_comes_before_the_shebang(parse: Parse) -> None:
    assert parse(files={"a.py": "#!/bin/sh\n"}).runtime.name == "python"


def test_a_job_with_nothing_to_tell_by_is_bash(parse: Parse) -> None:
    assert parse("true", files={"notes.txt": ""}).runtime.name == "bash"


def test_a_named_runtime_comes_before_the_files(parse: Parse) -> None:
    assert parse("true", "node", files={"a.py": ""}).runtime.name == "node"


@pytest.mark.parametrize(
    ("files", "argv"),
    [
        (["z.py", "main.py"], ("python3", "main.py")),
        (["z.py", "a.py"], ("python3", "a.py")),
        (["index.js", "a.js"], ("node", "index.js")),
        (["Main.java"], ("java", "Main.java")),
        (["run.sh"], ("/bin/sh", "run.sh")),
        (["main.dll"], ("dotnet", "main.dll")),
    ],
)
def test_the_runtime_starts_with_its_main_file_or_the_first(
    parse: Parse, files: list[str], argv: tuple[str, ...]
) -> None:
    assert parse(None, files=dict.fromkeys(files, "")).argv == argv
