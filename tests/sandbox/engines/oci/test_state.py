"""What is noted of a cell on the host, and how that is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.state import CellFolders

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> CellFolders:
    made = CellFolders(tmp_path, "one")
    made.prepare()
    made.make("cell", {}, "group", "image")
    return made


def test_nothing_is_left_of_a_cell_that_is_forgotten(folders: CellFolders) -> None:
    assert len(list(folders.all())) == 1
    folders.forget("cell")
    assert list(folders.all()) == []


def test_a_folder_in_what_a_runtime_noted_goes_too(folders: CellFolders) -> None:
    below = folders.runtime / "cell" / "below"
    below.mkdir(parents=True)
    (below / "file").touch()
    folders.forget("cell")
    assert list(folders.runtime.iterdir()) == []


def test_to_forget_a_cell_again_has_no_effect(folders: CellFolders) -> None:
    folders.forget("cell")
    folders.forget("cell")
    assert list(folders.all()) == []
