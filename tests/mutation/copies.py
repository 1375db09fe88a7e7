"""Copies of the repository, so that a fault does not change the original."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.mutation.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["copies"]


@contextmanager
def copies(count: int) -> Iterator[list[Path]]:
    """This many folders, each with a copy of all files that git does not ignore."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Path(folder) / str(number) for number in range(count)]
        for tree in trees:
            _copy(tree)
        yield trees


def _copy(tree: Path) -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (source := ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
