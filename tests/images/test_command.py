from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of
from tests.waiting import PATIENCE


def shell(text: str, timeout: float = 30, folder: Path | None = None) -> str:
    return output_of(["/bin/sh", "-c", text], timeout=timeout, advice="do this", folder=folder)


def test_what_a_tool_prints_comes_back_whatever_its_bytes() -> None:
    assert shell("printf 'a\\377'; echo b >&2") == "a\ufffd"


def test_a_tool_speaks_english_in_its_folder_and_is_asked_nothing(tmp_path: Path) -> None:
    assert shell("cat; pwd; echo $LC_ALL", folder=tmp_path).split() == [str(tmp_path), "C.UTF-8"]


def test_a_tool_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(ImageBuildFailed, match=r"^sh did not finish within 0\.2 s; do this\.$"):
        shell("exec sleep 60", timeout=0.2)
    assert time.monotonic() - began < 10 * PATIENCE


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("a warning\nE: no such package\nE: another", "no such package"),
        ("a warning\nERROR: no wheel", "ERROR: no wheel"),
        ("a warning\nnpm error 404", "npm error 404"),
        ("npm error code E404\nnpm error 404 not found", "npm error 404 not found"),
        ("error: no solution\n  cause: no answer\n  cause: refused\n\nhint: x", "refused"),
        ("\n  first \nsecond", "first"),
        ("", "it said nothing"),
    ],
)
def test_a_tool_that_fails_is_told_by_the_first_of_its_complaints(says: str, complaint: str) -> None:
    with pytest.raises(ImageBuildFailed) as caught:
        output_of(
            [sys.executable, "-c", "import sys; sys.exit(sys.argv[1])", says], timeout=30, advice="do this"
        )
    assert str(caught.value) == f"{Path(sys.executable).name} failed ({complaint}); do this."


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(ImageBuildFailed, match=r"^tool is not on this machine; do this\.$"):
        output_of(["/no/tool"], timeout=1, advice="do this")
