"""A mark that only one process ever has, and that tells whether the process still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.process_mark import is_gone, lives_here, this_process
from tests.waiting import wait_until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def mark_of(pid: int) -> str:
    place = this_process().partition("/")[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return f"{place}/{pid}/{fields[19]}"


def test_a_mark_names_the_boot_the_namespace_the_process_and_its_start() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    place, pid, start = this_process().split("/")
    assert (place, pid, start.isdecimal()) == (f"{boot}.{namespace}", str(os.getpid()), True)


def test_this_process_lives_and_is_not_gone() -> None:
    assert (lives_here(this_process()), is_gone(this_process())) == (True, False)


def test_a_child_is_gone_as_soon_as_it_is_dead_though_nobody_has_waited_for_it(
    child: subprocess.Popen[bytes],
) -> None:
    mark = mark_of(child.pid)
    assert (lives_here(mark), is_gone(mark)) == (True, False)
    child.kill()
    wait_until(lambda: is_gone(mark), 10, "it is a zombie")
    assert not lives_here(mark)
    child.wait()
    assert (lives_here(mark), is_gone(mark)) == (False, True)


def test_another_process_with_its_number_is_another() -> None:
    place, pid, start = this_process().split("/")
    earlier = f"{place}/{pid}/{int(start) - 1}"
    assert (lives_here(earlier), is_gone(earlier)) == (False, True)


def test_a_program_may_be_called_anything(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z (b"
    odd.symlink_to(sys.executable)
    program = "from sandbox.process_mark import lives_here, this_process as me; print(lives_here(me()))"
    said = subprocess.run([odd, "-c", program], capture_output=True, check=True, env=os.environ | _HERE)
    assert said.stdout == b"True\n"


_HERE = {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize("mark", ["", "elsewhere/1/2", "nonsense", "elsewhere/one/2"])
def test_of_a_process_elsewhere_nobody_here_knows(mark: str) -> None:
    assert (lives_here(mark), is_gone(mark)) == (False, False)


def test_a_mark_without_a_number_says_nothing() -> None:
    place = this_process().partition("/")[0]
    assert not is_gone(f"{place}/one/2")
