"""Jobs that fill what they can write to: bytes, inodes, names, links, descriptors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox, Status
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

TREE = """
import os
depth = 0
try:
    while depth < 3000:
        os.mkdir('d'); os.chdir('d'); depth += 1
except OSError: pass
print(depth > 100)
"""
DESCRIPTORS = """
held = []
try:
    while True: held.append(open('/dev/null'))
except OSError as error: print(error.errno, len(held) < 1024)
"""
#: Prints the seconds for reading 4 MB without the page cache.
DIRECT = """
import mmap, os, sys, time
began, room, left = time.monotonic(), mmap.mmap(-1, 1 << 20), 4
for folder, _, names in os.walk('/usr'):
    for name in names:
        path = os.path.join(folder, name)
        if left and not os.path.islink(path) and os.path.getsize(path) > 1 << 20:
            left -= os.readv(os.open(path, os.O_RDONLY | os.O_DIRECT), [room]) == 1 << 20
print(time.monotonic() - began)
"""
SPARSE = """
with open('hole', 'wb') as f:
    f.seek(16 << 20)
    f.write(b'x')
"""


def host_disk(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    """The whole disk that has the images of this engine."""
    folder = sandbox.settings.store
    if sandbox.settings.engine_name == "docker":
        folder = Path(request.getfixturevalue("engine").info()["DockerRootDir"])
    number = folder.stat().st_dev
    found = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    disk = found.parent if (found / "partition").exists() else found
    return f"/dev/{disk.name}"


@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm"])
def test_a_full_place_gives_enospc_and_nothing_beyond_its_size(sandbox: Sandbox, place: str) -> None:
    fill = f"cat /dev/zero | split -b 300k - {place}/x; du -s -k {place} | cut -f1"
    result = sandbox.run(fill, "python", disk="2m", timeout=20)
    assert "No space left on device" in result.stderr
    assert int(result.stdout) <= 2048


@pytest.mark.parametrize("place", ["/workspace", "/tmp"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param("open(f'{i}', 'w').close()", id="files"),
        pytest.param("os.mkdir(f'{i}')", id="folders"),
        pytest.param("os.symlink('x' * 200, f'{i}')", id="symlinks"),
        pytest.param("os.mkfifo(f'{i}')", id="pipes"),
    ],
)
def test_inodes_run_out(python: Python, place: str, make: str) -> None:
    source = f"import os; os.chdir('{place}')\nfor i in range(1500): {make}"
    assert "No space left on device" in python(source, disk="1m").stderr


def test_hard_links_run_out_too(python: Python) -> None:
    source = "import os; open('a', 'w').close()\nfor i in range(5000): os.link('a', f'{i}')"
    assert "No space left on device" in python(source, disk="1m").stderr


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(SPARSE, id="sparse"),
        pytest.param("open('x', 'wb').truncate(1 << 40)", id="truncated to a tebibyte"),
        pytest.param(
            "import os; os.posix_fallocate(os.open('x', os.O_CREAT | os.O_RDWR), 0, 1 << 30)", id="allocated"
        ),
        pytest.param("open('x', 'wb', 0).write(bytes(20 << 20)) == 20 << 20 or 1 / 0", id="one huge write"),
    ],
)
def test_no_file_is_larger_than_the_disk(python: Python, make: str) -> None:
    result = python(make, disk="8m")
    assert result.status is not Status.SUCCEEDED


def test_a_tree_deeper_than_any_path_neither_stalls_nor_comes_back(python: Python) -> None:
    result = python(TREE, artifacts=["**"], timeout=20)
    assert (result.status, result.artifacts) == (Status.SUCCEEDED, {})


def test_descriptors_run_out_at_their_limit(python: Python) -> None:
    assert python(DESCRIPTORS).stdout == "24 True\n"


def test_their_limit_can_t_be_raised(sandbox: Sandbox) -> None:
    assert sandbox.run("ulimit -n 4096").status is not Status.SUCCEEDED


def test_a_crash_leaves_no_core(sandbox: Sandbox) -> None:
    result = sandbox.run("sh -c 'kill -ABRT $$'; ulimit -c; ls -A")
    assert result.stdout == "0\n"


def test_a_sync_never_reaches_the_disks_of_the_host(python: Python) -> None:
    # Without the rule, the kernel would answer with an error about the descriptor.
    assert python("import ctypes; print(ctypes.CDLL(None).syncfs(-1))").stdout == "0\n"


def test_reads_are_held_to_the_operators_rate(request: pytest.FixtureRequest, sandbox: Sandbox) -> None:
    rate = f"{host_disk(request, sandbox)}=1m"
    with Sandbox(sandbox.settings.model_copy(update={"disk_reads": rate})) as slow:
        result = slow.run(["python3", "-c", DIRECT], "python", timeout=30 * PATIENCE)
    assert float(result.stdout) > 2


def test_a_full_disk_keeps_nobody_from_reporting(python: Python) -> None:
    source = "f = open('/tmp/x', 'wb', 0)\ntry:\n    while True: f.write(bytes(65536))\nexcept OSError: pass"
    result = python(source + "\nraise SystemExit(5)", disk="1m")
    assert (result.status, result.exit_code) == (Status.FAILED, 5)


def test_posix_message_queues_are_none(python: Python) -> None:
    source = "import ctypes; print(ctypes.CDLL(None, use_errno=True).mq_open(b'/q', 0o102, 0o600, None))"
    assert python(source).stdout == "-1\n"
