"""Reads the options that are about runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_comparison", "read_runs"]


def read_runs(path: Path) -> list[object]:
    """The list in a JSON file. What is in it is checked with the rest of the request."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--runs") from None
    except (ValueError, RecursionError):
        raise typer.BadParameter(f"{path} is no JSON", param_hint="--runs") from None
    if not isinstance(found, list):
        raise typer.BadParameter(f"{path} has no list of runs", param_hint="--runs")
    return found


def read_comparison(text: str) -> object:
    """A request's `compare`: a word, or `float:` and a tolerance."""
    way, colon, tolerance = text.partition(":")
    if way != "float" or not colon:
        return text
    try:
        return {"float": float(tolerance)}
    except ValueError:
        raise typer.BadParameter("give a number after float:", param_hint="--compare") from None
