"""A kill for lack of memory that the engine has missed is found in the kernel's log."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import Sandbox, Status
from sandbox.engines.kernel_log import killed_for_memory
from tests.engine_door import engine_door
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

GROUP = "/docker/0123"
RECORD = (
    "6,424,846034619,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=0123,mems_allowed=0,"
    f"oom_memcg={GROUP},task_memcg={GROUP},task=head,pid=26313,uid=65534\n"
)
SPEND_ALL = "exec head -c 60000000 /dev/zero > big"


@pytest.fixture
def forgetful(engine: docker.APIClient) -> Iterator[Sandbox]:
    """A sandbox whose engine never says that it has seen a kill for lack of memory."""
    del engine
    with tempfile.TemporaryDirectory(prefix="cb-door-") as name, engine_door(Path(name, "s")) as door:
        door.change = lambda said: said.replace(b'"OOMKilled":true', b'"OOMKilled":null')
        with Sandbox(load_settings(engine="docker", docker_host=door.url)) as sandbox:
            yield sandbox


@pytest.fixture
def noted() -> None:
    """Wait until the kernel notes kills. After ten within five seconds, of anybody, it leaves some out."""
    seen = kills()
    changed_at = time.monotonic()

    def were_none_for_five_seconds() -> bool:
        nonlocal seen, changed_at
        if (now := kills()) != seen:
            seen, changed_at = now, time.monotonic()
        return time.monotonic() - changed_at > 5.1

    wait_until(were_none_for_five_seconds, 120, "no process is killed for memory")


def kills() -> str:
    """How many processes of this host the kernel has killed for lack of memory."""
    (count,) = (
        line for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("oom_kill ")
    )
    return count


def log_of(folder: Path, *records: str) -> Path:
    log = folder / "kmsg"
    log.write_text("".join(records))
    return log


@pytest.mark.usefixtures("noted")
def test_a_kill_that_the_engine_missed_is_out_of_memory(forgetful: Sandbox) -> None:
    forgetful.run("true")  # the first container shows where the groups of all are
    result = forgetful.run(SPEND_ALL, memory="32m", disk="128m")
    assert (result.status, result.exit_code) == (Status.OUT_OF_MEMORY, 137)


def test_a_record_names_the_group_that_was_out_of_memory(tmp_path: Path) -> None:
    assert killed_for_memory(GROUP, log_of(tmp_path, RECORD))


@pytest.mark.parametrize("group", ["/docker/012", "/docker/01234", "/docker", "docker/0123"])
def test_another_group_is_not_taken_for_it(tmp_path: Path, group: str) -> None:
    assert not killed_for_memory(group, log_of(tmp_path, RECORD))


def test_only_a_kill_counts(tmp_path: Path) -> None:
    assert not killed_for_memory(GROUP, log_of(tmp_path, RECORD.replace("oom-kill:", "")))


def test_a_log_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert not killed_for_memory(GROUP, tmp_path / "none")


def test_a_log_that_fails_while_it_is_read_says_nothing(tmp_path: Path) -> None:
    assert not killed_for_memory(GROUP, tmp_path)


def test_a_log_that_drops_records_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own log would have to be flooded for that. So a read is made to fail as it does then."""
    read, dropped = os.read, iter([OSError(errno.EPIPE, "dropped")])

    def read_or_fail(descriptor: int, size: int) -> bytes:
        if error := next(dropped, None):
            raise error
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", read_or_fail)
    assert killed_for_memory(GROUP, log_of(tmp_path, RECORD))
