"""The folder of a job on the host: its files come back, and then it is removed."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox import EngineFailed
from sandbox.engines.host.files import archive_of
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox


def test_a_host_with_no_room_for_a_jobs_files_has_failed_and_keeps_nothing_of_it(
    host: Sandbox, folders: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What earlier tests have left to the collector must not be closed in between.
    gc.collect()
    before = psutil.Process().num_fds()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, hard))
    try:
        with pytest.raises(EngineFailed, match=r"^The host could not start the command: File too large\.$"):
            host.run("true", files={"large": "x" * (1 << 11)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (psutil.Process().num_fds(), list(folders.iterdir())) == (before, [])


def test_nothing_of_a_job_stays_in_the_folder_or_open(host: Sandbox, folders: Path) -> None:
    host.run("true")
    before = psutil.Process().num_fds()
    for _ in range(3):
        host.run("mkdir -p d/d; touch d/d/f; chmod 0 d/d d", stdin="x", artifacts=["d/**"])
    assert (psutil.Process().num_fds(), list(folders.iterdir())) == (before, [])


def test_what_is_no_file_is_no_content_and_a_socket_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 600)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        whole = b"".join(archive_of(tmp_path))
    # Blocks of 512 bytes: headers of the folder, the file and the pipe; two of the file; two at the end.
    assert (len(whole), whole[-1024:]) == ((3 + 2 + 2) * 512, bytes(1024))


UNPRIVILEGED = """
from config import load_settings
from sandbox import Sandbox

with Sandbox(load_settings(enable_docker=False)) as sandbox:
    make = "mkdir d; for f in a b d/c; do echo x > $f; done; chmod 0 a d/c d; chmod -r ."
    print(sorted(sandbox.run(make, "bash", artifacts=["**"]).artifacts))
    print(sandbox.run(make, "bash").status)
"""


def test_what_a_job_made_unreadable_comes_back_and_is_removed_from_a_host_without_privileges(
    folders: Path,
) -> None:
    command = [sys.executable, "-c", UNPRIVILEGED]
    if os.geteuid() == 0:
        powers = "-dac_override,-dac_read_search"
        command = [
            shutil.which("setpriv") or "setpriv",
            f"--bounding-set={powers}",
            f"--inh-caps={powers}",
            *command,
        ]
    env = os.environ | {"TMPDIR": str(folders)}
    outcome = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (outcome.stdout.splitlines(), outcome.stderr) == (["['a', 'b', 'd/c']", "succeeded"], "")
    assert list(folders.iterdir()) == []
