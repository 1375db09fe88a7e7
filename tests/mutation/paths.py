"""The folders of the mutation run."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONFIG", "FOLDER", "PACKAGES", "ROOT"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "sandbox", "tasks", "api", "cli")
CONFIG = Path(__file__).with_name("coverage.ini")
#: Not in the repository. It has the coverage and the results so far.
FOLDER = ROOT / ".mutants"
