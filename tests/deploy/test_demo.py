"""The demo on a host with no Docker: in a mount namespace without the engine's socket and its programs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.programs import ROOT

#: A host without Docker also has none of these, and crun only once it is installed.
_ABSENT = ("docker", "containerd", "runc", "crun")
# Stands in for apt-get. It notes what it should install, and installs crun from a copy on this host.
_APT_GET = """#!/bin/sh
echo "$*" >>{log}
[ "$1" = update ] || ln -s {crun} {programs}/crun
"""
# All that the demo writes outside of its checkout is in /run, where Docker's socket would be.
_ON_A_HOST_WITHOUT_DOCKER = """
mount -t tmpfs tmpfs /run && mkdir "$TMPDIR" && deploy/with-services.sh python examples/demo.py
ls -d /run/cellblock* "$TMPDIR"/*
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with links to all programs of this host, but those of container engines."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for place in filter(Path.is_dir, map(Path, os.environ["PATH"].split(":"))):
        for program in place.iterdir():
            if not program.name.startswith((*_ABSENT, "apt-get")) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This checkout, with an environment that its script finds up to date."""
    folder = tmp_path / "checkout"
    (folder / ".venv").mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name != ".venv":
            (folder / path.name).symlink_to(path)
    for path in Path(sys.prefix).iterdir():
        if path.name != ".stamp":
            (folder / ".venv" / path.name).symlink_to(path)
    digest = hashlib.sha256(
        b"".join((ROOT / one).read_bytes() for one in ("pyproject.toml", "constraints.txt"))
    )
    (folder / ".venv" / ".stamp").write_text(f"{digest.hexdigest()}  -\n")
    return folder


@pytest.fixture
def installed(tmp_path: Path, programs: Path) -> Path:
    """The file with the calls of apt-get."""
    log = tmp_path / "apt-get.log"
    program = programs / "apt-get"
    program.write_text(_APT_GET.format(log=log, crun=shutil.which("crun"), programs=programs))
    program.chmod(0o755)
    return log


def groups() -> set[Path]:
    """The control groups of the cells of demos."""
    top = Path("/sys/fs/cgroup")
    return {*top.glob("cellblock-demo-*"), *top.glob("*/cellblock-demo-*")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_needs_crun_alone_and_leaves_nothing(
    checkout: Path, programs: Path, installed: Path
) -> None:
    if os.geteuid() != 0 or not shutil.which("crun"):
        unavailable("The demo without Docker needs root and crun.")
    before = groups()
    # The suite itself may have asked for more programs.
    chosen = {"CELLBLOCK_ENGINE": "oci", "PATH": str(programs), "TMPDIR": "/run/scratch", "ALSO_INSTALL": ""}
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", _ON_A_HOST_WITHOUT_DOCKER],
        cwd=checkout,
        env=os.environ | chosen,
        capture_output=True,
        text=True,
        check=False,
    )
    # The list of what is left comes after that line, so it is empty.
    assert done.stdout.splitlines()[-1].startswith("9 jobs, none wrong"), done.stdout + done.stderr
    assert installed.read_text().splitlines()[1:] == ["install -y --no-install-recommends crun"]
    assert groups() <= before
