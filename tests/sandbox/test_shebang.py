"""The first line of a script: its interpreter and the options behind it."""

from __future__ import annotations

import pytest

from sandbox.shebang import interpreter, options


@pytest.mark.parametrize(
    ("line", "program", "behind"),
    [
        ("#!/bin/bash -eu", "bash", ["-eu"]),
        ("#! /usr/bin/env -S node --no-warnings", "node", ["--no-warnings"]),
        ("#!/usr/bin/env python3", "python3", []),
        ("#!", "", []),
        ("#!/usr/bin/env", "", []),
        ("bash -e", "", []),
    ],
)
def test_an_interpreter_comes_with_its_options(line: str, program: str, behind: list[str]) -> None:
    content = f"{line}\nexit\n".encode()
    assert (interpreter(content), options(content)) == (program, behind)
