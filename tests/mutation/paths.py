"""Where the mutation run finds the product and keeps its notes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONFIG", "FOLDER", "PACKAGES", "ROOT"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "sandbox", "tasks", "cli")
CONFIG = Path(__file__).with_name("coverage.ini")
#: Not in the repository: what was measured, and the results so far.
FOLDER = ROOT / ".mutants"
