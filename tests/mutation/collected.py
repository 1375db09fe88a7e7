"""Finds the tests that there are now."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

from tests.mutation.paths import ROOT

__all__ = ["collected"]


@cache
def collected() -> frozenset[str]:
    """The names of all tests. pytest runs no test if it is given a name that it does not know."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", "tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return frozenset(line for line in listed.splitlines() if "::" in line)
