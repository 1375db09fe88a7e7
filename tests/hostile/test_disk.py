"""Filling what can be written: bytes, inodes, names, links, descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = pytest.mark.engine

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
SPARSE = """
with open('hole', 'wb') as f:
    f.seek(16 << 20)
    f.write(b'x')
"""


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


def test_a_full_disk_keeps_nobody_from_reporting(python: Python) -> None:
    source = "f = open('/tmp/x', 'wb', 0)\ntry:\n    while True: f.write(bytes(65536))\nexcept OSError: pass"
    result = python(source + "\nraise SystemExit(5)", disk="1m")
    assert (result.status, result.exit_code) == (Status.FAILED, 5)


def test_posix_message_queues_are_none(python: Python) -> None:
    source = "import ctypes; print(ctypes.CDLL(None, use_errno=True).mq_open(b'/q', 0o102, 0o600, None))"
    assert python(source).stdout == "-1\n"
