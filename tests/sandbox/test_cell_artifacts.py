"""Artifacts of hostile workspaces in real cells: files or reasons come back, and no collection hangs."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import CellLost, Sandbox, Status
from sandbox.engines.docker.cell import DockerCell
from sandbox.events import Closed
from sandbox.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from sandbox import Result
    from sandbox.events import Event

pytestmark = pytest.mark.engine

#: The most seconds that the collection may take, without the cell's start and removal.
BOUND_S = 10.0


@pytest.fixture(scope="module")
def small(engine: docker.APIClient) -> Iterator[Sandbox]:
    """A sandbox whose operator allows only 10 KiB of artifacts."""
    with Sandbox(load_settings(pull="never", max_artifacts="10k")) as real:
        yield real


def left(result: Result) -> dict[str, str]:
    """The skipped paths with their reasons. Also checks the time that the collection took."""
    assert result.timings.collect < BOUND_S
    return {skipped.path: skipped.reason for skipped in result.artifacts_skipped}


@pytest.mark.parametrize(
    "make", ["ln -s /etc/passwd trap", "ln -s / trap", "mkfifo trap", "ln -s trap trap"], ids=str.split
)
def test_what_is_no_regular_file_stays_behind(sandbox: Sandbox, make: str) -> None:
    result = sandbox.run(f"{make}; echo x > good", artifacts=["*"])
    assert list(result.artifacts) == ["good"]
    assert left(result) == {"trap": "not a regular file"}


def test_a_socket_is_not_even_archived(sandbox: Sandbox) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
    result = sandbox.run(["python3", "-W", "ignore", "-c", bind], "python", artifacts=["*"])
    assert (result.artifacts, result.status) == ({}, Status.SUCCEEDED)


def test_a_file_of_a_tebibyte_cannot_be_made(sandbox: Sandbox) -> None:
    result = sandbox.run("truncate -s 1T huge; ls -s huge", artifacts=["*"])
    assert "File size limit exceeded" in result.stderr
    assert left(result) == {}


def test_a_sparse_file_counts_as_large_as_it_looks(sandbox: Sandbox) -> None:
    result = sandbox.run("truncate -s 60m sparse; echo x > good", artifacts=["*"])
    assert (list(result.artifacts), left(result)) == (["good"], {"sparse": "larger than 32 MiB"})


def test_many_sparse_files_are_heard_only_so_far(sandbox: Sandbox) -> None:
    result = sandbox.run("for i in $(seq 9); do truncate -s 60m sparse$i; done", artifacts=["*"])
    reasons = left(result)
    assert reasons.pop("").startswith("the archive of /workspace is cut short")
    assert set(reasons.values()) == {"larger than 32 MiB"}


def test_more_files_than_the_cap_stay_behind(sandbox: Sandbox) -> None:
    result = sandbox.run("for i in $(seq 300); do : > f$i; done", artifacts=["*"])
    assert (len(result.artifacts), set(left(result).values())) == (256, {"more than 256 files"})
    assert len(result.artifacts_skipped) == 300 - 256


def test_as_many_files_as_the_disk_holds_stall_nothing(sandbox: Sandbox) -> None:
    fill = "import itertools\nfor i in itertools.count(): open(f'{i}', 'w').close()"
    result = sandbox.run(["python3", "-c", fill], "python", artifacts=["**"])
    assert "No space left on device" in result.stderr
    assert (len(result.artifacts), len(left(result))) == (256, 256)


@pytest.mark.parametrize(("depth", "comes"), [(32, True), (33, False), (500, False)])
def test_folders_may_be_so_deep(sandbox: Sandbox, depth: int, comes: bool) -> None:
    result = sandbox.run(f"for i in $(seq {depth}); do mkdir d; cd d; done; : > file", artifacts=["**"])
    path = "d/" * depth + "file"
    assert list(result.artifacts) == ([path] if comes else [])
    assert set(left(result).values()) == (set() if comes else {"deeper than 32 folders"})


def test_a_name_that_is_not_utf8_stays_behind(sandbox: Sandbox) -> None:
    result = sandbox.run(r": > $(printf 'caf\351'); : > 'gut é'; : > \"; : > '-rf'", artifacts=["*"])
    assert set(result.artifacts) == {"gut é", '"', "-rf"}
    assert left(result) == {"caf?": "not a name under /workspace, in UTF-8"}


def test_a_file_larger_than_the_cap_stays_behind(small: Sandbox) -> None:
    result = small.run("head -c 10241 /dev/zero > big; head -c 10240 /dev/zero > fits", artifacts=["*"])
    assert (list(result.artifacts), left(result)) == (["fits"], {"big": "larger than 10 KiB"})


def test_files_that_are_too_much_together_stay_behind(small: Sandbox) -> None:
    result = small.run("for i in 1 2 3; do head -c 4k /dev/zero > $i; done", artifacts=["*"])
    assert (len(result.artifacts), list(left(result).values())) == (2, ["more than 10 KiB in all"])


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("**/*.txt", {"top.txt", "a/x.txt", "a/b/c/y.txt"}),
        ("a/**/*.txt", {"a/x.txt", "a/b/c/y.txt"}),
        ("a/", {"a/x.txt", "a/b/c/y.txt", "a/b/z.log"}),
        ("./a/*", {"a/x.txt"}),
        ("a/b/**", {"a/b/c/y.txt", "a/b/z.log"}),
        ("*/?.txt", {"a/x.txt"}),
        ("a/[x-z].txt", {"a/x.txt"}),
    ],
)
def test_a_glob_brings_what_it_says(sandbox: Sandbox, glob: str, expected: set[str]) -> None:
    files = dict.fromkeys(["top.txt", "a/x.txt", "a/b/c/y.txt", "a/b/z.log"], "x")
    result = sandbox.run("true", "bash", files=files, artifacts=[glob])
    assert (set(result.artifacts), left(result)) == (expected, {})


@pytest.mark.parametrize(
    ("glob", "reasons"),
    [
        ("no/such", {"no/such": "no such file"}),
        ("folder", {"folder": "a folder; ask for folder/"}),
        ("no/such/*", {}),
        ("no/", {}),
    ],
)
def test_a_path_that_is_named_and_not_there_gets_a_reason(
    sandbox: Sandbox, glob: str, reasons: dict[str, str]
) -> None:
    result = sandbox.run("mkdir folder; echo x > good", artifacts=[glob, "good"])
    assert (list(result.artifacts), left(result)) == (["good"], reasons)


def test_a_folder_that_is_a_symlink_leads_nowhere(sandbox: Sandbox) -> None:
    result = sandbox.run("ln -s /etc out", artifacts=["out/passwd", "out/"])
    assert (result.artifacts, left(result)) == ({}, {"out/passwd": "no such file"})


def test_what_the_job_made_unreadable_comes_back_all_the_same(sandbox: Sandbox) -> None:
    result = sandbox.run("mkdir d; echo x > d/f; chmod 0 d/f d .", artifacts=["d/f"])
    assert list(result.artifacts) == ["d/f"]


def test_both_names_of_one_file_come_back(sandbox: Sandbox) -> None:
    result = sandbox.run("echo x > a; ln a b", artifacts=["*"])
    assert {path: base64.b64decode(found.base64) for path, found in result.artifacts.items()} == {
        "a": b"x\n",
        "b": b"x\n",
    }


def test_ten_megabytes_there_and_back_cost_little(sandbox: Sandbox) -> None:
    large = {"base64": base64.b64encode(os.urandom(10 << 20)).decode()}
    light = sandbox.run("true", "bash").timings.total
    heavy = sandbox.run("true", "bash", files={"large": large}, artifacts=["large"])
    assert heavy.artifacts["large"].base64 == large["base64"]
    # The difference is less than 0.2 seconds on an idle machine.
    assert heavy.timings.total - light < 1.5


def test_a_workspace_that_is_gone_is_no_artifacts(sandbox: Sandbox) -> None:
    result = sandbox.run("rm -rf ./* .; cd /; echo done", artifacts=["**", "x"])
    assert (result.stdout, left(result)) == ("done\n", {"x": "no such file"})


def test_a_cell_that_is_killed_before_it_gave_the_files_is_lost_and_not_empty(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(cell: DockerCell, *_: object) -> list[Event]:
        cell.destroy()
        while not any(isinstance(event, Closed) for event in poll(cell, 1)):
            pass
        return [Closed()]

    def follow(watch: Watch) -> Iterator[bytes]:
        monkeypatch.setattr(DockerCell, "poll", gone)
        return archive(watch)

    archive, poll = Watch.archive, DockerCell.poll
    monkeypatch.setattr(Watch, "archive", follow)
    # Many gigabytes of holes: the archive is not over before the engine has killed the cell.
    with pytest.raises(CellLost):
        sandbox.run("for n in {1..500}; do truncate -s 50m $n; done", "bash", artifacts=["*"])
