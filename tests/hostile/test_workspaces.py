"""A workspace that an attacker has made: it is refused, or it stays in its cell."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox import InvalidJob, Sandbox, Status
from tests.sandbox.blob_folder import Workspaces, archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.every_engine

#: What a job sees of every place that an archive might have written to.
LOOK = "find / -xdev -newermt '-1 hour' -name 'evil*' 2>/dev/null; find /workspace /tmp -name 'evil*'"


@pytest.fixture
def workspaces(sandbox: Sandbox, tmp_path: Path) -> Workspaces:
    return Workspaces(sandbox, tmp_path)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more: object) -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.mode = kind, link, 0o755
    for key, value in more.items():
        setattr(one, key, value)
    return one


def of_size(size: str) -> Callable[[bytes], bytes]:
    """Change the size that the first header claims, and its checksum."""

    def change(content: bytes) -> bytes:
        header = bytearray(content[:512])
        header[124:136] = size.encode().ljust(12, b"\0")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + content[512:]

    return change


REFUSED = {
    "no archive": b"x" * 20_000,
    "nothing": b"",
    "cut after a header": archive(("evil", b"x" * 600))[:512],
    "cut short": archive(("evil", b"x" * 5000))[:2048],
    "a name that leads out": archive(("../evil", b"x")),
    "a name that leads out by the middle": archive(("a/../../tmp/evil", b"x")),
    "a device": archive(member("evil", tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "a hard link to the image": archive(member("evil", tarfile.LNKTYPE, "/bin/sh")),
    "a hard link out": archive(member("evil", tarfile.LNKTYPE, "../etc/passwd")),
    "a file larger than the disk": archive(("evil", bytes(5 << 20))),
    "a size beyond the archive": archive(("evil", b"x"), change=of_size("77777777777")),
    "a folder in the place of a file": archive(("evil", b"x"), ("evil/f", b"x")),
    "a broken header": archive(("evil", b"x"), change=lambda content: b"\xff" * 512 + content[512:]),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_an_archive_that_is_no_workspace_is_refused_and_its_command_is_not_run(
    workspaces: Workspaces, content: bytes
) -> None:
    with pytest.raises(InvalidJob, match="workspace: "):
        workspaces.run("echo ran", workspace=workspaces.put(content), disk="4m")


HARMLESS = {
    "an absolute name": archive(("/tmp/evil", b"x")),
    "a link out of the folder": archive(member("evil-link", tarfile.SYMTYPE, "/tmp")),
    "setuid": archive(member("evil", mode=0o6777)),
    "another owner": archive(member("evil", uid=0, gid=0)),
    "a negative time": archive(member("evil", mtime=-1)),
    "zeros with a tail": bytes(5120) + b"x" * 5120 + bytes(512),
    "a sparse bomb": archive(member("evil", tarfile.GNUTYPE_SPARSE)),
}


@pytest.mark.parametrize("content", HARMLESS.values(), ids=HARMLESS)
def test_what_a_strange_archive_holds_stays_in_the_workspace(workspaces: Workspaces, content: bytes) -> None:
    ref = workspaces.put(content)
    found = workspaces.run(f"{LOOK}; id -u; ls -l /tmp | wc -l", workspace=ref).stdout.split()
    assert {path for path in found if "evil" in path} <= {
        *("/workspace/evil", "/workspace/tmp/evil", "/workspace/evil-link"),
    }
    assert found[-2:] == ["65534", "1"]


def test_a_link_and_a_file_through_it_write_nothing_outside(workspaces: Workspaces) -> None:
    ref = workspaces.put(archive(member("evil-link", tarfile.SYMTYPE, "/tmp"), ("evil-link/evil", b"x")))
    try:
        found = workspaces.run("ls -A /tmp", workspace=ref)
    except InvalidJob:
        return
    assert (found.status, found.stdout) == (Status.SUCCEEDED, "")


def test_a_million_files_fill_no_more_than_the_cell(workspaces: Workspaces) -> None:
    many = archive(*(member(f"evil/{number}") for number in range(9000)))
    with pytest.raises(InvalidJob, match="workspace: "):
        workspaces.run("true", workspace=workspaces.put(many), disk="4m")


def test_a_workspace_with_no_way_in_is_its_jobs_own_problem(workspaces: Workspaces) -> None:
    ref = workspaces.put(archive(member(".", tarfile.DIRTYPE, mode=0)))
    assert workspaces.run("echo hi", workspace=ref).status is Status.FAILED


def test_a_file_that_is_not_what_its_ref_says_is_never_run(workspaces: Workspaces) -> None:
    good, evil = workspaces.put(b"echo good\n"), b"echo evil\n"
    workspaces.store.path(good).write_bytes(evil)
    with pytest.raises(InvalidJob, match="incomplete or damaged"):
        workspaces.run("sh ./f | tee /tmp/seen; sleep 60", files={"f": {"ref": good}})


def test_the_next_job_is_well_after_a_hostile_one(workspaces: Workspaces) -> None:
    with pytest.raises(InvalidJob):
        workspaces.run("true", workspace=workspaces.put(b"x" * 512))
    assert workspaces.run("echo well").stdout == "well\n"
