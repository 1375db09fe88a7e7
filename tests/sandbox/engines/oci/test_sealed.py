"""The copies of the OCI runtimes from which they are started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.engines.oci.sealed import sealed


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = tmp_path / "program"
    made.write_text("#!/bin/sh\necho first\n")
    made.chmod(0o755)
    return made


def test_nobody_can_change_a_copy_and_it_runs(program: Path) -> None:
    copy = sealed(str(program))
    with pytest.raises(PermissionError):
        Path(copy).write_bytes(b"other")
    assert subprocess.check_output([copy]) == b"first\n"


def test_a_program_is_copied_once_and_again_when_it_has_changed(program: Path) -> None:
    copy = sealed(str(program))
    assert sealed(str(program)) == copy
    program.write_text("#!/bin/sh\necho second\n")
    assert subprocess.check_output([sealed(str(program))]) == b"second\n"
