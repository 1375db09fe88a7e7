"""Whether somebody holds the lock of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.folder_lock import is_locked, locked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("shared", [True, False])
def test_a_folder_is_locked_as_long_as_somebody_holds_its_lock(tmp_path: Path, shared: bool) -> None:
    with locked(tmp_path, shared=shared):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_lock_that_is_shared_can_be_held_twice(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True):
        with locked(tmp_path, shared=True):
            pass
        assert is_locked(tmp_path)


def test_a_folder_that_is_gone_is_one_that_its_holder_has_removed(tmp_path: Path) -> None:
    assert is_locked(tmp_path / "gone")
