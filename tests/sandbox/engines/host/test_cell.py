"""A job on the host: its environment, its processes and their end, and its measured usage."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from config import load_settings
from config.runtimes import HEAP_REPORT
from sandbox import Status
from sandbox.cell import Cell, CellInfo, Evidence, JobTags
from sandbox.cell_source import CellSource
from sandbox.engines.host import cell as under_test
from sandbox.engines.host.cell import HostCell
from sandbox.engines.host.engine import HostEngine
from sandbox.events import Archived, Closed, Ended, Event, Output, Started
from tests.programs import has_ended
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Sandbox
    from tests.sandbox.conftest import Parse


def heard(cell: HostCell, until: type[Event]) -> list[Event]:
    """The events of a cell up to the first one of this kind."""
    events: list[Event] = []

    def news() -> bool:
        events.extend(cell.poll(1))
        return any(isinstance(one, until) for one in events)

    wait_until(news, 10, "the news comes")
    return events


def process_of(cell: HostCell) -> psutil.Process:
    """The process of the cell's command."""
    assert cell._process
    return psutil.Process(cell._process.pid)


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[HostCell]:
    made = HostCell(tmp_path)
    yield made
    made.destroy()
    made.close()


def test_a_job_gets_path_home_and_a_neutral_place_and_nothing_else(
    host: Sandbox, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    shown = host.run(["env"], "bash", env={"OWN": "1"}).stdout.splitlines()
    env = dict(line.split("=", 1) for line in shown if not line.startswith("_="))
    assert env.pop("HOME").startswith(f"{folders}/cellblock-")
    assert len(env.pop("CELLBLOCK_CELL")) == 32
    assert env.pop("PWD", "").startswith(f"{folders}/cellblock-")
    assert env == {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "OWN": "1"}


def test_the_runtimes_own_environment_stands_under_the_jobs(host: Sandbox) -> None:
    asked = {"PYTHONIOENCODING": "ascii"}
    shown = host.run(["env"], "python", env=asked).stdout.splitlines()
    assert {"PYTHONIOENCODING=ascii", "PYTHONUNBUFFERED=1"} <= set(shown)


def test_files_can_be_started_and_what_is_made_is_the_users_alone_to_write(host: Sandbox) -> None:
    result = host.run(
        "umask; stat -c %a tool d/tool; touch new; stat -c %a new", files={"tool": "", "d/tool": ""}
    )
    assert result.stdout.split() == ["0022", "755", "755", "644"]


def test_a_job_whose_follower_fails_is_killed_and_leaves_nothing(folders: Path, parse: Parse) -> None:
    before = psutil.Process().num_fds()

    def fail(cell: Cell) -> None:
        assert isinstance(cell, HostCell)
        cell.start(parse("sleep 60 & sleep 60"))
        wait_until(lambda: process_of(cell).children(), 10, "the job runs")
        family.extend([process_of(cell), *process_of(cell).children()])
        raise ZeroDivisionError

    family: list[psutil.Process] = []
    with pytest.raises(ZeroDivisionError), _host().acquire(parse(), JobTags()) as cell:
        fail(cell)
    wait_until(lambda: not any(one.is_running() for one in family), 5, "the job is gone")
    assert (psutil.Process().num_fds(), list(folders.iterdir())) == (before, [])


def test_a_number_that_is_another_process_by_now_gets_no_signal(cell: HostCell, parse: Parse) -> None:
    cell.start(parse("sleep 60"))
    with subprocess.Popen(["sleep", "60"]) as other:
        signalled = cell._signal_one(other.pid, signal.SIGKILL)
        lives = other.poll() is None
        other.kill()
    assert (signalled, lives) == (False, True)


def test_a_cell_tells_of_its_command_from_start_to_end(cell: HostCell, parse: Parse) -> None:
    cell.start(parse("echo out; exit 5"))
    first, *middle, last = heard(cell, Ended)
    assert (first, written(middle)) == (Started(), b"out\n")
    assert isinstance(last, Ended)
    assert (last.exit_code, cell.info, cell.examine()) == (5, CellInfo("host"), Evidence())
    assert (list(cell.poll(0)), cell.starving) == ([], False)


@pytest.mark.parametrize(("wants", "comes"), [(["*"], True), ([], False)])
def test_an_archive_follows_where_files_are_wanted(
    cell: HostCell, parse: Parse, wants: list[str], comes: bool
) -> None:
    cell.start(parse("echo x > f", artifacts=wants))
    heard(cell, Ended)
    if comes:
        assert isinstance(heard(cell, Closed)[0], Archived)
    assert not list(cell.poll(0)) or comes


def test_a_poll_waits_as_long_as_it_may_and_not_much_longer_than_half_a_second(
    cell: HostCell, parse: Parse
) -> None:
    cell.start(parse("sleep 60"))
    list(cell.poll(0))
    taken_s = []
    for wait_s in (0.2, 60.0, -1.0):
        began = time.monotonic()
        assert list(cell.poll(wait_s)) == []
        taken_s.append(time.monotonic() - began)
    assert taken_s[0] >= 0.2
    assert 0.5 <= taken_s[1] < 5


def test_a_folder_in_place_of_the_report_of_a_full_heap_is_none(host: Sandbox) -> None:
    result = host.run(["mkdir", HEAP_REPORT])
    assert (result.status, result.exit_code) == (Status.SUCCEEDED, 0)


def test_a_command_has_a_session_of_its_own_and_so_no_terminal(cell: HostCell, parse: Parse) -> None:
    cell.start(parse("read _; echo x", stdin="x\n"))
    assert os.getsid(process_of(cell).pid) == process_of(cell).pid
    heard(cell, Ended)


def test_usage_is_in_nanoseconds_and_bytes(cell: HostCell, parse: Parse) -> None:
    cell.start(
        parse(
            [
                sys.executable,
                "-S",
                "-c",
                "x = bytearray(b'x') * (50 << 20)\nwhile __import__('time').process_time() < 0.3: pass",
            ]
        )
    )
    ended = heard(cell, Ended)[-1]
    assert isinstance(ended, Ended)
    assert ended.usage.cpu_ns is not None
    assert ended.usage.peak_bytes is not None
    assert 0.3e9 <= ended.usage.cpu_ns < 3e9
    # The process began as a copy of this one, and the kernel counts that copy's memory too.
    own_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    assert 50 << 20 <= ended.usage.peak_bytes < (150 << 20) + own_bytes


def test_a_process_that_ends_while_they_are_counted_has_used_nothing(
    cell: HostCell, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.start(parse("while :; do :; done"))
    heard(cell, Started)
    (own,) = cell._members()
    with subprocess.Popen(["true"]) as ended:
        pass
    monkeypatch.setattr(cell, "_members", lambda: [own, ended.pid])
    wait_until(cell.cpu_ns, 5, "it has used some")


BOTH = """
trap 'echo heard' TERM
(trap 'echo heard; exit 0' TERM; echo up; while :; do sleep 0.05; done) &
echo up
wait
wait
"""


def test_a_signal_reaches_every_process_of_the_job_and_none_besides(cell: HostCell, parse: Parse) -> None:
    said = b""

    def both_are_up() -> bool:
        nonlocal said
        said += written(list(cell.poll(1)))
        return said.count(b"up") == 2

    with subprocess.Popen(["sleep", "60"]) as stranger:
        cell.start(parse(BOTH))
        wait_until(both_are_up, 10, "both are up")
        cell.terminate()
        assert (written(heard(cell, Ended)).count(b"heard"), stranger.poll()) == (2, None)
        stranger.kill()


def written(events: list[Event]) -> bytes:
    return b"".join(one.data for one in events if isinstance(one, Output))


def test_killing_goes_on_until_nothing_is_left(cell: HostCell, parse: Parse) -> None:
    cell.start(parse("trap '' TERM; for i in 1 2 3; do setsid sleep 60 & done; echo up; wait"))
    heard(cell, Output)
    family = [process_of(cell), *process_of(cell).children(recursive=True)]
    cell.kill()
    wait_until(lambda: all(map(has_ended, family)), 10, "all are killed")
    ended = heard(cell, Ended)[-1]
    assert isinstance(ended, Ended)
    assert ended.exit_code == 128 + signal.SIGKILL


def test_a_kill_waits_for_processes_that_need_a_while_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes are made up: a real one that the scheduler lets wait can't be had at will."""
    gone = time.monotonic() + 0.2
    cell = HostCell(tmp_path)
    monkeypatch.setattr(cell, "_members", lambda: [1] if time.monotonic() < gone else [])
    monkeypatch.setattr(cell, "_signal_one", lambda *_: True)
    cell.kill()
    assert time.monotonic() >= gone
    cell.close()


def test_a_process_that_was_started_while_one_looked_is_killed_too(
    cell: HostCell, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look finds neither it nor its parent, which has ended meanwhile."""
    cell.start(parse("sleep 60"))
    process, look = process_of(cell), cell._members

    def find_nothing() -> list[int]:
        monkeypatch.setattr(cell, "_members", look)
        found = look()
        subprocess.run(["true"], check=True)
        return found[:0]

    monkeypatch.setattr(cell, "_members", find_nothing)
    cell.kill()
    wait_until(lambda: has_ended(process), 10, "it is killed")


def test_processes_are_killed_where_the_kernel_does_not_tell_its_newest_number(
    tmp_path: Path, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with gVisor's kernel, which always says 0. That is made up here."""
    monkeypatch.setattr("sandbox.engines.host.newcomers._newest", lambda: 0)
    cell = HostCell(tmp_path)
    cell.start(parse("sleep 60"))
    cell.kill()
    wait_until(lambda: has_ended(process_of(cell)), 10, "it is killed")
    cell.close()


def test_where_no_process_was_left_none_is_looked_for_again(
    cell: HostCell, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.start(parse("true"))
    heard(cell, Ended)
    monkeypatch.setattr(cell, "_members", lambda: pytest.fail("looked for processes"))
    cell.destroy()


def test_a_cell_that_was_killed_before_its_command_began_can_still_kill_that(
    cell: HostCell, parse: Parse
) -> None:
    cell.kill()
    cell.start(parse("sleep 60"))
    cell.kill()
    wait_until(lambda: has_ended(process_of(cell)), 10, "it is killed")


def test_no_process_is_of_a_job_that_has_not_started(tmp_path: Path) -> None:
    """Some processes have session 0: the kernel's, and those that enter a container from outside."""
    cell = HostCell(tmp_path)
    assert [pid for pid in psutil.pids() if cell._is_member(pid)] == []
    assert list(cell.poll(0)) == []
    cell.close()


def _host() -> CellSource:
    settings = load_settings(enable_docker=False)
    return CellSource(settings, HostEngine())


def test_the_engine_of_the_host_holds_nothing(host: Sandbox) -> None:
    source = _host()
    assert source.warm_up(0)
    source.settle()
    source.close()
    assert host.run("true").status is Status.SUCCEEDED


def test_the_c_librarys_own_signals_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent may have had them ignored, as some runtimes of languages do. Nobody may catch them."""
    status = b"Name:\tpython\nSigIgn:\tffffffffffffffff\n"
    monkeypatch.setattr(under_test, "open", lambda *_: io.BytesIO(status), raising=False)
    ignored = under_test._ignored_signals()
    assert signal.SIGINT in ignored
    assert not {32, 33, signal.SIGKILL, signal.SIGPIPE} & set(ignored)
