"""Files by ref and workspaces in the legacy mode: the same, and nothing is unpacked outside of a folder."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from sandbox import InvalidJob, Sandbox, Status
from tests.oldest import without_filters
from tests.sandbox.blob_folder import Workspaces, archive

if TYPE_CHECKING:
    from pathlib import Path

LISTING = r"find . -printf '%P|%y|%m|%T@|%n|%l\n' | LC_ALL=C sort"


@pytest.fixture
def workspaces(host: Sandbox, tmp_path: Path, folders: Path) -> Workspaces:
    (store := tmp_path / "store").mkdir()
    return Workspaces(host, store)


@pytest.fixture(params=["this library", "the library of Python 3.11.2"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12 has a library whose archives know no filters. Made up where a later one is installed."""
    if request.param != "this library":
        without_filters(monkeypatch)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, link
    return one


def test_a_workspace_is_kept_and_taken(workspaces: Workspaces) -> None:
    cmd = (
        "mkdir -p a/b empty; echo 1 > a/f; ln a/f hard; ln -s /etc/passwd link; chmod 4711 a/f; mkfifo p;"
        " touch -h -d '2001-02-03 04:05:06.123456789' a/b link p;"
        " echo x > \"$(printf 'n\\nl\\377')\"; chmod 555 a/b"
    )
    left = workspaces.run(f"({cmd}); {LISTING}", keep_workspace=True)
    assert (left.status, left.stderr, left.workspace_skipped) == (Status.SUCCEEDED, "", None)
    assert workspaces.run(LISTING, workspace=left.workspace).stdout == left.stdout


def test_files_by_ref_are_files_and_replace_links(workspaces: Workspaces, tmp_path: Path) -> None:
    (outside := tmp_path / "outside").write_text("untouched")
    old = workspaces.run(f"ln -s {outside} a", keep_workspace=True).workspace
    files = {"a": {"ref": workspaces.put(b"by ref\n")}, "d/b": "sent\n"}
    assert workspaces.run("cat a d/b", workspace=old, files=files).stdout == "by ref\nsent\n"
    assert outside.read_text() == "untouched"


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"x")],
        [member("evil", tarfile.SYMTYPE, ".."), ("evil/evil", b"x")],
        [member("evil", tarfile.LNKTYPE, "../../../../etc/passwd")],
        [member("evil", tarfile.CHRTYPE)],
    ],
    ids=["a name", "a link and a file through it", "a hard link", "a device"],
)
def test_an_archive_that_leads_out_of_the_folder_is_refused(
    workspaces: Workspaces, folders: Path, members: list[tarfile.TarInfo | tuple[str, bytes]]
) -> None:
    ref = workspaces.put(archive(*members))
    with pytest.raises(InvalidJob, match="workspace: it is no whole tar archive"):
        workspaces.run("true", workspace=ref)
    assert [path.name for path in folders.iterdir()] == ["store"]


@pytest.mark.parametrize("content", [b"", b"x" * 5000, archive(("f", b"x" * 5000))[:2048]])
def test_what_is_no_whole_archive_is_refused(workspaces: Workspaces, content: bytes) -> None:
    with pytest.raises(InvalidJob, match=r"workspace: .*no whole tar archive"):
        workspaces.run("true", workspace=workspaces.put(content))


def test_a_damaged_file_is_never_run(workspaces: Workspaces, tmp_path: Path) -> None:
    ref = workspaces.put(b"echo good\n")
    workspaces.store.path(ref).write_bytes(b"echo evil\n")
    with pytest.raises(InvalidJob, match="incomplete or damaged"):
        workspaces.run(f"sh f; touch {tmp_path}/ran", files={"f": {"ref": ref}})
    assert not (tmp_path / "ran").exists()
