"""Small files are read and written with one call each, whole or with an error."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from sandbox.engines.small_files import read_small, write_small

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_written_replaces_what_was_there_and_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a longer text")
    write_small(tmp_path / "file", "größer")
    assert read_small(tmp_path / "file").decode() == "größer"


def test_a_text_that_finds_no_room_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda _, data: len(data) - 1)
    with pytest.raises(OSError, match="No space left") as caught:
        write_small(tmp_path / "file", "text")
    assert caught.value.errno == errno.ENOSPC


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "nothing")
