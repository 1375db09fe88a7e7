"""The faults that no test can notice, each with its reason."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutation.paths import ROOT

if TYPE_CHECKING:
    from tests.mutation.mutants import Mutant

__all__ = ["LIST", "reason", "stale"]

LIST = Path(__file__).with_name("accepted.toml")


def reason(mutant: Mutant) -> str | None:
    """Why no test can notice the fault; None if it is not in the list."""
    line = (ROOT / mutant.path).read_text().splitlines()[mutant.line - 1].strip()
    return next(
        filter(None, (_reasons().get((mutant.path, kind, line)) for kind in (mutant.kind, "any"))), None
    )


def stale() -> list[str]:
    """The entries whose line no longer exists."""
    gone = []
    for path, _, line in _reasons():
        file = ROOT / path
        if not file.is_file() or line not in map(str.strip, file.read_text().splitlines()):
            gone.append(f"{path}: {line}")
    return gone


@cache
def _reasons() -> dict[tuple[str, str, str], str]:
    entries = tomllib.loads(LIST.read_text()).get("accepted", [])
    return {(one["file"], kind, one["line"]): one["why"] for one in entries for kind in one["kind"].split()}
