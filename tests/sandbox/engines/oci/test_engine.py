"""Cells that an OCI runtime makes with no daemon: what the host sees of them, and how they are removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue, load_settings
from sandbox import EngineFailed, EngineUnfit, EngineUnreachable, ImageMissing, InvalidJob, Sandbox, Status
from sandbox.engines.cgroup import CGROUPS
from sandbox.engines.engine import CellSpec, new_name
from sandbox.engines.oci.cell import OciCell
from sandbox.engines.oci.cgroup import CellGroup, group_names
from sandbox.engines.oci.delegation import cells_parent
from sandbox.engines.oci.engine import OciEngine
from sandbox.engines.oci.grace_period import GracePeriod
from sandbox.engines.oci.launcher import forget_launcher, this_launcher
from sandbox.engines.oci.runtime import OciRuntime
from sandbox.engines.oci.state import CellFolder
from sandbox.expiry import Expiry
from sandbox.labels import new_labels
from sandbox.limits import warm_limits
from sandbox.reaper import reap
from tests.conftest import OWNER, unavailable
from tests.programs import ROOT
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings

BASH = load_catalogue()["bash"]


@pytest.fixture
def settings(oci_settings: dict[str, Any]) -> Settings:
    return load_settings(**oci_settings)


@pytest.fixture
def box(settings: Settings) -> Iterator[Sandbox]:
    with Sandbox(settings) as real:
        yield real


def cells_of(settings: Settings) -> list[str]:
    with closing(OciEngine(settings)) as own:
        return [cell.name for cell in own.list()]


def left_of(settings: Settings, name: str) -> list[Path]:
    """The folders and control groups of a cell that still exist on the host."""
    own, group = settings.state / OWNER, f"{cells_parent(OWNER)}/{name}".lstrip("/")
    places = [
        own / "cells" / name,
        own / "mounts" / name,
        own / "runtime" / name,
        CGROUPS / group,
        *CGROUPS.glob(f"*/{group}"),
    ]
    return [place for place in places if place.exists()]


def test_root_of_a_cell_is_nobody_on_the_host_and_no_two_cells_share_an_id(box: Sandbox) -> None:
    maps = [box.run("cat /proc/self/uid_map /proc/self/gid_map").stdout.split() for _ in range(2)]
    first, _ = ([int(words[1]), int(words[4])] for words in maps)
    low, high = box.settings.uid_bounds
    assert low <= first[0] <= high - 65_535
    assert first[0] == first[1]
    assert [words[0] for words in maps] == ["0", "0"]


def test_what_a_job_used_is_read_from_outside(box: Sandbox) -> None:
    result = box.run("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", "bash", timeout=60)
    assert result.status is Status.SUCCEEDED
    assert 0.05 < (result.cpu_seconds or 0) < 30
    assert 100_000 < (result.memory_peak or 0) < 64 << 20


def test_what_a_job_used_is_known_even_without_its_supervisors_report(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OciCell, "_order", lambda *_: None)
    result = box.run("while :; do :; done", "bash", timeout=0.5, grace=0.1)
    assert result.status is Status.TIMED_OUT
    assert 0.02 < (result.cpu_seconds or 0) < 2 * PATIENCE


def test_a_memory_bomb_is_out_of_memory(box: Sandbox) -> None:
    result = box.run("tail /dev/zero", "bash", memory="64m", timeout=60)
    assert (result.status, result.exit_code) == (Status.OUT_OF_MEMORY, 137)


def test_a_job_leaves_nothing_on_the_host(box: Sandbox) -> None:
    name = box.run("true", "bash").container
    assert name is not None
    box.settle()
    assert left_of(box.settings, name) == []
    wait_until(lambda: not cells_of(box.settings), 10, "all cells are gone")


def test_a_cell_that_somebody_kills_is_lost_and_its_remains_go(box: Sandbox) -> None:
    from sandbox.errors import CellLost
    from sandbox.observer import Observer

    class Killer(Observer):
        def wants_stop(self) -> bool:
            for name in cells_of(box.settings):
                OciEngine(box.settings)._group(name).kill()
            return False

    with pytest.raises(CellLost):
        box.run_job(box.parse("sleep 60", "bash"), observer=Killer())
    box.settle()
    wait_until(lambda: not cells_of(box.settings), 10, "all cells are gone")


@pytest.mark.parametrize("call", ["mkdir", "take", "write_small", "start", "OpenCell"])
def test_a_worker_that_is_killed_while_it_makes_a_cell_leaves_nothing_after_a_reaper(
    settings: Settings, oci_settings: dict[str, Any], call: str
) -> None:
    """The process is killed just before a step, or just before it returns the cell."""
    wait_until(lambda: not cells_of(settings), 10, "the cells of other tests are gone")
    program = Path(__file__).with_name("killed_maker.py")
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        **{f"CELLBLOCK_{name.upper()}": str(value) for name, value in oci_settings.items()},
        "CELLBLOCK_OWNER": OWNER,
    }
    died = subprocess.run([sys.executable, str(program), call], env=env, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    names = cells_of(settings)
    assert len(names) == (0 if call == "mkdir" else 1)
    with closing(OciEngine(settings)) as own:
        wait_until(lambda: reap(own, settings) == names or not cells_of(settings), 20, "it is reaped")
    wait_until(lambda: not cells_of(settings), 10, "all cells are gone")
    assert [place for name in names for place in left_of(settings, name)] == []
    assert list((settings.state / "ids").iterdir()) == []


def test_a_group_that_a_runtime_made_after_everything_was_removed_is_reaped(
    settings: Settings, oci_settings: dict[str, Any]
) -> None:
    """The runtime of a killed worker may still run, and create a group after a reaper removed the rest."""
    root = Path("/sys/fs/cgroup")
    tops = [root] if (root / "cgroup.controllers").exists() else [root / "memory", root / "pids"]
    places = [top / cells_parent(OWNER).lstrip("/") / "late" for top in tops]
    for place in places:
        place.mkdir(parents=True)
    brisk = load_settings(**oci_settings, engine_margin=0.5)
    deadlines = Expiry(brisk)
    with closing(OciEngine(brisk)) as own:
        wait_until(lambda: reap(own, brisk, deadlines=deadlines), 20, "it is reaped")
    assert [place for place in places if place.exists()] == []


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", "x" * 65])
def test_what_is_no_name_of_a_cell_is_never_removed(settings: Settings, name: str) -> None:
    with closing(OciEngine(settings)) as own, pytest.raises(EngineFailed, match="no name of a cell"):
        own.remove(name)


@pytest.mark.parametrize("text", ["[]", "junk", '{"cellblock.deadline": null}', '{"cellblock.process": 5}'])
def test_labels_that_no_worker_writes_stop_no_reaper(settings: Settings, text: str) -> None:
    cells = settings.state / OWNER / "cells"
    (cells / "odd").mkdir(parents=True)
    (cells / "odd" / "labels.json").write_text(text)
    (cells / "a-file").touch()
    with closing(OciEngine(settings)) as own:
        assert [(cell.name, cell.labels.written) for cell in own.list()] == [("odd", {})]
        own.remove("odd")
    (cells / "a-file").unlink()


def test_what_a_runtime_still_makes_is_not_removed_before_it_is_made(
    settings: Settings, oci_settings: dict[str, Any]
) -> None:
    folder = CellFolder(settings.state / OWNER / "cells" / "making")
    folder.path.mkdir(parents=True)
    brisk = load_settings(**oci_settings, engine_margin=0.3)
    with closing(OciEngine(brisk)) as own:
        with folder.in_the_making(), pytest.raises(EngineFailed, match="still makes making"):
            own.remove("making")
        own.remove("making")
    assert not folder.path.exists()


def test_the_mounts_of_a_cell_are_nowhere_on_the_host_and_vanish_with_it(box: Sandbox) -> None:
    name = box.run("true", "bash").container
    mounts = Path("/proc/thread-self/mountinfo").read_text
    assert str(name) not in mounts()
    box.settle()
    assert str(name) not in this_launcher().do(mounts)


def test_the_image_of_a_cell_may_be_where_only_root_can_enter(box: Sandbox) -> None:
    store = box.settings.store
    mode = store.stat().st_mode
    store.chmod(0o700)
    try:
        assert box.run("echo hi", "bash").stdout == "hi\n"
    finally:
        store.chmod(mode)


def test_a_worker_with_a_strict_umask_makes_cells_all_the_same(oci_settings: dict[str, Any]) -> None:
    state = oci_settings["state"].with_name(f"cellblock-{OWNER}-strict")
    before = os.umask(0o077)
    try:
        with Sandbox(load_settings(**oci_settings | {"state": state})) as box:
            assert box.run("echo hi; echo x >/dev/null", "bash").stdout == "hi\n"
    finally:
        os.umask(before)
        shutil.rmtree(state)


def test_two_deployments_of_a_host_share_no_ids(settings: Settings) -> None:
    other = settings.model_copy(update={"owner": f"{OWNER}-other"})
    assert OciEngine(settings)._ids._folder == OciEngine(other)._ids._folder


def test_nothing_of_the_host_but_pipes_is_given_to_a_cell(box: Sandbox) -> None:
    box.run("true", "bash")
    assert Path("/dev/null").stat().st_uid == 0


def test_a_runtime_that_is_not_there_is_an_engine_that_is_unreachable(oci_settings: dict[str, Any]) -> None:
    with (
        Sandbox(load_settings(**oci_settings, oci_runtime="no-such-runtime")) as box,
        pytest.raises(EngineUnreachable, match="no-such-runtime"),
    ):
        box.run("true", "bash")


def test_a_state_folder_that_can_not_be_used_is_an_engine_that_is_unreachable(
    oci_settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with (
        Sandbox(load_settings(**oci_settings | {"state": tmp_path / "file" / "state"})) as box,
        pytest.raises(EngineUnreachable, match=r"can't be used .* Try: .* set CELLBLOCK_STATE"),
    ):
        box.run("true", "bash")


@pytest.mark.parametrize("says", ["no room", '{"level": "error", "msg": "no room"}'])
def test_a_runtime_that_refuses_says_why_and_leaves_nothing(
    oci_settings: dict[str, Any], settings: Settings, tmp_path: Path, says: str
) -> None:
    stubborn = tmp_path / "crun"
    stubborn.write_text(
        f"#!/bin/sh\nwhile [ $# -gt 0 ]; do [ $1 = --log ] && echo '{says}' >$2; shift; done; exit 1\n"
    )
    stubborn.chmod(0o755)
    with (
        Sandbox(load_settings(**oci_settings, oci_runtime=str(stubborn))) as box,
        pytest.raises(EngineFailed, match=r"The OCI runtime could not make a cell: no room\.$"),
    ):
        box.run("true", "bash")
    wait_until(lambda: not cells_of(settings), 10, "all cells are gone")


@pytest.fixture
def cramped() -> Iterator[Path]:
    """A folder on a file system of its own, with a mebibyte. Every user may enter it, as cells must."""
    folder = Path("/run", f"cellblock-{OWNER}-cramped")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(folder)], check=True)
    # A launcher that is older does not see the mount, where the host's mounts are private.
    forget_launcher()
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_host_with_no_room_for_a_cell_has_none_for_any_job(
    oci_settings: dict[str, Any], cramped: Path
) -> None:
    full = load_settings(**oci_settings | {"state": cramped})
    with Sandbox(full) as box:
        assert box.run("echo hi", "bash").stdout == "hi\n"
        box.settle()
        with suppress(OSError), (cramped / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        with pytest.raises(EngineUnfit, match=r"^There is no room in .* Try: free some\.$"):
            box.run("true", "bash")
        box.settle()
        (cramped / "ballast").unlink()
        assert box.run("echo again", "bash").stdout == "again\n"


def test_a_runtime_without_an_image_says_how_to_build_one(
    oci_settings: dict[str, Any], tmp_path: Path
) -> None:
    bare = load_settings(**oci_settings | {"store": tmp_path})
    with Sandbox(bare) as box, pytest.raises(ImageMissing, match="cellblock images build java"):
        box.run("true", "java")
    wait_until(lambda: not cells_of(bare), 10, "all cells are gone")


@pytest.mark.parametrize("network", [True, ["api.example.com"]])
def test_a_job_that_asks_for_a_network_is_refused_with_one_sentence(
    oci_settings: dict[str, Any], *, network: object
) -> None:
    allowed = {"network": True, "network_hosts": "*.example.com"}
    with (
        Sandbox(load_settings(**oci_settings, **allowed)) as box,
        pytest.raises(InvalidJob, match="the operator's engine gives cells no network"),
    ):
        box.run("true", "bash", network=network)


def test_a_warm_cell_takes_the_limits_of_its_job(oci_settings: dict[str, Any]) -> None:
    with Sandbox(load_settings(**oci_settings, warm="0,bash=1")) as box:
        assert box.warm_up(30)
        result = box.run("tail /dev/zero", "bash", memory="64m", timeout=60)
    assert (result.warm, result.status) == (True, Status.OUT_OF_MEMORY)
    assert (result.memory_peak or 0) <= 64 << 20


def test_a_cell_is_removed_also_if_another_worker_made_it_in_a_group_of_its_own(settings: Settings) -> None:
    limits = warm_limits(BASH, settings)
    labels = new_labels(owner=OWNER, runtime="bash", state="job", deadline=4e9, limits=limits.text)
    with closing(OciEngine(settings)) as maker, closing(OciEngine(settings)) as other:
        maker._parent = f"{cells_parent(OWNER)}/unit"
        opened = maker.make(CellSpec(new_name(), BASH, limits, labels))
        other.remove(opened.name)
        for stream in opened.streams:
            stream.close()
        assert list(group_names(maker._parent)) == []
        assert CellGroup(maker._parent).remove()


@pytest.mark.parametrize(("ends", "waits"), [(True, 1), (False, 0)])
def test_only_a_cell_that_ends_by_itself_is_given_a_moment_for_that(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, ends: bool, waits: int
) -> None:
    waited = list[float]()
    monkeypatch.setattr(CellGroup, "await_end", lambda _, within_s: waited.append(within_s))
    with closing(OciEngine(settings)) as own:
        own.remove(new_name(), ends=ends)
    assert len(waited) == waits


def test_what_a_runtime_notes_stays_in_memory(box: Sandbox) -> None:
    if os.geteuid() != 0:
        unavailable("Only root has the rights that a launcher needs here.")
    name, own = str(box.run("true", "bash").container), box.settings.state / OWNER
    assert {path.name for path in own.glob(f"*/{name}/*")} == {"group", "image", "labels.json"}


def test_the_kernels_wait_begins_before_the_runtime_does_and_is_known_to_be_over_afterwards(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[str]()

    def noted(kind: type, name: str) -> None:
        done = getattr(kind, name)

        def step(*given: Any) -> Any:
            steps.append(name)
            return done(*given)

        monkeypatch.setattr(kind, name, step)

    for kind, name in ((GracePeriod, "begin"), (OciRuntime, "start"), (GracePeriod, "note_move")):
        noted(kind, name)
    assert box.run("echo hi", "bash").stdout == "hi\n"
    assert steps == ["begin", "start", "note_move"]
