"""The copies of the OCI runtimes from which they are started."""

from __future__ import annotations

import errno
import os
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


def test_a_kernel_before_6_3_makes_copies_that_run_too(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a kernel refuses a flag that it does not know. The refusal is made up here."""
    make, known = os.memfd_create, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING

    def make_or_refuse(name: str, flags: int) -> int:
        if flags & ~known:
            raise OSError(errno.EINVAL, "Invalid argument")
        return make(name, flags)

    monkeypatch.setattr(os, "memfd_create", make_or_refuse)
    assert subprocess.check_output([sealed(str(program))]) == b"first\n"
