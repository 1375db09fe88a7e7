"""Workspaces that are kept after a job, and that a later job begins with: exact, bounded and independent."""

from __future__ import annotations

import sqlite3
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import BlobsUnavailable, InvalidJob, Observer, Sandbox, Status
from sandbox.blobs import Source
from sandbox.cell import JobTags
from tests.sandbox.blob_folder import Workspaces, archive
from tests.waiting import becomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.cell import CellInfo

pytestmark = pytest.mark.every_engine

# Each entry of a folder: its name, type, mode, time with nanoseconds, links, target, and its content.
LISTING = r"""
find . -printf '%P|%y|%m|%T@|%n|%l\n' | LC_ALL=C sort
find . -type f -size -9k -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
"""

EVERYTHING = r"""
mkdir -p a/b/c empty 'with space' -- -dash
echo 1 > a/file; echo 2 > a/b/c/deep; : > nothing; head -c 100000 /dev/urandom > random
ln -s a/file link; ln -s /etc/passwd outside; ln -s nowhere dangling; ln -s a folder-link
ln a/file hard; ln a/file a/b/hard-too
printf x > "$(printf 'new\nline')"; printf x > "$(printf 'bytes\377\376')"; printf x > é
printf x > ./-dash/-n
printf x > "$(head -c 255 /dev/zero | tr '\0' n)"
long=$(head -c 120 /dev/zero | tr '\0' p); mkdir -p "$long/$long/$long"; printf x > "$long/$long/$long/end"
ln -s "$long/$long/$long/end" long-link
chmod 600 a/file; chmod 4755 random; chmod 444 nothing; chmod 1777 empty; chmod 555 a/b/c; chmod 601 é
touch -d '2001-02-03 04:05:06.123456789' a/file; touch -hd '1970-01-01 00:00:01' link
touch -d '2038-01-20' empty
touch -d '2005-01-01 00:00:00.5' a/b . ; mkfifo pipe
"""


@pytest.fixture
def workspaces(sandbox: Sandbox, tmp_path: Path) -> Workspaces:
    return Workspaces(sandbox, tmp_path)


def test_the_next_job_finds_everything_as_it_was_left(workspaces: Workspaces) -> None:
    left = workspaces.run(f"({EVERYTHING})\n{LISTING}", keep_workspace=True)
    assert (left.status, left.stderr, left.workspace_skipped) == (Status.SUCCEEDED, "", None)
    found = workspaces.run(LISTING, workspace=left.workspace)
    assert found.stdout == left.stdout
    assert "a/file|f|600|981173106.1234567890|3|" in found.stdout


def test_what_its_owner_may_not_read_is_kept_too(workspaces: Workspaces) -> None:
    cmd = "mkdir -p d/e; echo x > d/e/f; echo y > g; chmod 000 d/e/f d/e d g; chmod 601 g"
    left = workspaces.run(cmd, keep_workspace=True)
    assert workspaces.run("cat d/e/f; stat -c %a g", workspace=left.workspace).stdout == "x\n601\n"


def test_the_same_files_are_the_same_ref(workspaces: Workspaces) -> None:
    first = workspaces.run(EVERYTHING, keep_workspace=True).workspace
    again = workspaces.run("true", workspace=first, keep_workspace=True).workspace
    assert first is not None
    assert again == first


@pytest.mark.parametrize(
    ("cmd", "more", "status"),
    [
        ("exit 3", {}, Status.FAILED),
        ("kill -SEGV $$", {}, Status.SIGNALED),
        ("sleep 60", {"timeout": 0.3}, Status.TIMED_OUT),
        ("trap '' TERM; while :; do :; done", {"timeout": 0.3, "grace": 0.3}, Status.TIMED_OUT),
        ("yes", {"output_limit": "1k"}, Status.OUTPUT_LIMIT),
    ],
)
def test_a_workspace_is_kept_however_the_job_ends(
    workspaces: Workspaces, cmd: str, more: dict[str, Any], status: Status
) -> None:
    ended = workspaces.run(f"echo work > done; {cmd}", keep_workspace=True, **more)
    assert (ended.status, ended.workspace_skipped) == (status, None)
    assert workspaces.run("cat done", workspace=ended.workspace).stdout == "work\n"


def test_files_are_written_over_those_of_the_workspace(workspaces: Workspaces) -> None:
    old = workspaces.run("echo old > a; ln -s /tmp/elsewhere b; mkdir d", keep_workspace=True).workspace
    files = {"a": "new\n", "b": "mine\n", "d/e": "deep\n"}
    cmd = "cat a b d/e; test -L b || echo plain"
    assert workspaces.run(cmd, workspace=old, files=files).stdout == "new\nmine\ndeep\nplain\n"


def test_a_file_in_the_place_of_a_folder_is_refused(workspaces: Workspaces) -> None:
    old = workspaces.run("mkdir -p a/b", keep_workspace=True).workspace
    with pytest.raises(InvalidJob, match="give no file the path of a folder in the workspace"):
        workspaces.run("true", workspace=old, files={"a": ""})


def test_artifacts_and_a_workspace_come_out_of_one_job(workspaces: Workspaces) -> None:
    cmd = "mkdir out; echo 1 > out/a; echo 2 > b"
    both = workspaces.run(cmd, artifacts=["out/*"], keep_workspace=True)
    assert [one.content for one in both.artifacts.values()] == [b"1\n"]
    assert workspaces.run("cat out/a b", workspace=both.workspace).stdout == "1\n2\n"


def test_artifacts_by_ref_are_stored_once_for_each_content(workspaces: Workspaces) -> None:
    left = workspaces.run("echo same > a; cp a b; ln a c; : > d", artifacts=["*"], artifacts_as="ref")
    refs = {path: one.ref for path, one in left.artifacts.items()}
    assert (sorted(refs), len(set(refs.values())), refs["a"] == refs["c"]) == (["a", "b", "c", "d"], 2, True)
    assert workspaces.get(refs["b"] or "") == b"same\n"
    assert left.to_dict()["artifacts"]["d"] == {"size": 0, "ref": refs["d"]}


def test_a_workspace_with_files_larger_than_its_disk_is_not_kept(workspaces: Workspaces) -> None:
    holes = workspaces.run("truncate -s 900k a b", keep_workspace=True, disk="1m")
    assert holes.workspace is None
    assert holes.workspace_skipped == (
        "its files take 1.758 MiB, more than the job's disk=1 MiB, with their holes"
    )


def test_a_workspace_of_many_small_files_is_whole(workspaces: Workspaces) -> None:
    cmd = "mkdir d; for i in $(seq 900); do : > d/$i; done"
    many = workspaces.run(cmd, keep_workspace=True, disk="64k", timeout=30)
    assert many.workspace_skipped is None
    assert workspaces.run("ls d | wc -l", workspace=many.workspace, disk="64k").stdout.strip() == "900"


def test_a_workspace_that_is_too_large_for_a_smaller_disk_is_refused(workspaces: Workspaces) -> None:
    large = workspaces.run("head -c 9m /dev/zero > a", keep_workspace=True).workspace
    for disk in ("1m", "8m"):
        with pytest.raises(InvalidJob, match=r"workspace: .* ask for more disk"):
            workspaces.run("true", workspace=large, disk=disk)


def test_a_store_that_is_full_costs_a_job_its_workspace_and_not_its_result(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    workspaces = Workspaces(sandbox, tmp_path, blobs_limit="64k")
    full = workspaces.run(
        "echo hi; head -c 99k /dev/urandom > a; echo b > b",
        keep_workspace=True,
        artifacts=["*"],
        artifacts_as="ref",
    )
    assert (full.stdout, full.workspace, list(full.artifacts)) == ("hi\n", None, ["b"])
    assert "more than the 64 KiB that the operator allows (CELLBLOCK_BLOBS_LIMIT)" in str(
        full.workspace_skipped
    )
    assert "CELLBLOCK_BLOBS_LIMIT" in full.artifacts_skipped[0].reason


def test_a_job_does_not_start_before_the_worker_has_verified_what_it_gets(workspaces: Workspaces) -> None:
    whole = archive(("f", b"x"))

    def pieces() -> Iterator[bytes]:
        yield whole
        raise ZeroDivisionError

    sandbox = workspaces.sandbox
    job = replace(sandbox.parse("echo ran; sleep 60", "bash"), workspace=Source(len(whole), pieces))
    with sandbox._cells.acquire(job, JobTags()) as cell:
        with pytest.raises(ZeroDivisionError):
            cell.start(job)
        assert not becomes(lambda: list(cell.poll(0.1)), 1)


def test_a_ref_that_is_not_there_is_one_clear_error(workspaces: Workspaces) -> None:
    ref = f"sha256:{0:064}"
    for request, where in (
        ({"files": {"a b": {"ref": ref}}}, r"files\['a b'\]"),
        ({"workspace": ref}, "workspace"),
    ):
        with pytest.raises(InvalidJob, match=f"^{where}: there is no blob {ref}; it was never stored"):
            workspaces.run("true", **request)


def test_files_by_ref_count_against_the_jobs_disk_and_memory(workspaces: Workspaces) -> None:
    ref = workspaces.put(bytes(3 << 20))
    files = {"a": {"ref": ref}, "b": {"ref": ref}}
    assert workspaces.run("cat a b | wc -c", files=files, disk="8m").stdout.strip() == str(6 << 20)
    with pytest.raises(InvalidJob, match="ask for more disk"):
        workspaces.run("true", files=files, disk="5m")
    with pytest.raises(InvalidJob, match="ask for more memory"):
        workspaces.run("true", files=files | {"c": {"ref": ref}}, disk="12m", memory="16m")


class Strike(Observer):
    """Does something at the moment when a job has its cell and has not got its files yet."""

    def __init__(self, strike: Callable[[], object]) -> None:
        self._strike = strike

    def placed(self, info: CellInfo) -> None:
        self._strike()


def test_a_store_that_goes_away_under_a_job_is_one_clear_error(sandbox: Sandbox, tmp_path: Path) -> None:
    (folder := tmp_path / "store").mkdir()
    store = Workspaces(sandbox, folder).store
    job = sandbox.parse("echo hi", "bash", keep_workspace=True)
    with pytest.raises(BlobsUnavailable, match="No such file or directory in the folder"):
        sandbox.run_job(job, observer=Strike(folder.rmdir), blobs=store)


def test_a_content_that_expires_before_it_is_read_is_not_half_a_file(workspaces: Workspaces) -> None:
    ref, store = workspaces.put(b"x" * 5000), workspaces.store
    job = workspaces.sandbox.parse("cat f", "bash", files={"f": {"ref": ref}})
    with pytest.raises(InvalidJob, match=f"has of {ref} is incomplete or damaged"):
        workspaces.sandbox.run_job(job, observer=Strike(lambda: store.remove(ref)), blobs=store)


def test_with_no_store_a_job_that_needs_one_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidJob, match=r"There is no blob store here.*CELLBLOCK_BLOBS"):
        sandbox.run("true", "bash", keep_workspace=True)


# One step of a session: it changes a database, a git repository's files, links, modes and folders.
STEP = r"""
python3 - <<'END'
import os, sqlite3
with sqlite3.connect("data.db") as db:
    db.execute("create table if not exists steps (at integer primary key)")
    db.execute("insert into steps default values")
    step = db.execute("select max(at) from steps").fetchone()[0]
os.makedirs(f"tree/{step % 5}", exist_ok=True)
with open(f"tree/{step % 5}/file", "a") as file:
    file.write(f"step {step}\n")
if os.path.lexists("latest"):
    os.unlink("latest")
os.symlink(f"tree/{step % 5}/file", "latest")
os.chmod(f"tree/{step % 5}/file", 0o600 + step % 8)
if step % 7 == 0:
    os.rename("README", f"README.{step}")
    os.link(f"README.{step}", "README")
END
"""


@pytest.mark.neutral
def test_thirty_six_steps_on_a_workspace_are_as_on_a_plain_folder(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    plain, kept = tmp_path / "plain", tmp_path / "kept"
    plain.mkdir()
    kept.mkdir()
    commits = (
        "git init -q . && echo one > README && git add . && git -c user.name=a -c user.email=a@b commit -qm 1"
    )
    subprocess.run(["sh", "-c", commits], cwd=plain, check=True)
    begun = subprocess.run(["tar", "-c", "."], cwd=plain, capture_output=True, check=True).stdout
    ref: str | None = workspaces.put(begun)
    for _ in range(36):
        subprocess.run(["bash", "-c", STEP], cwd=plain, check=True)
        step = workspaces.run(STEP, "python", workspace=ref, keep_workspace=True)
        assert (step.status, step.stderr) == (Status.SUCCEEDED, "")
        ref = step.workspace
    subprocess.run(
        ["tar", "-x", "-p", "--no-same-owner"], cwd=kept, input=workspaces.get(ref or ""), check=True
    )
    assert tree(kept) == tree(plain)
    status = [
        subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout
        for words in (["fsck", "--strict"], ["status", "--porcelain"])
        for folder in (kept, plain)
    ]
    assert status[0::2] == status[1::2]
    with sqlite3.connect(kept / "data.db") as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        assert db.execute("select count(*) from steps").fetchone() == (36,)
    db.close()


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    """The mode, number of links and content of each entry; but not of a database, whose bytes may differ."""
    found = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        links = about.st_nlink if path.is_file() else 0
        content = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink() and path.suffix != ".db":
            content = path.read_bytes().hex()
        found[str(path.relative_to(folder))] = (about.st_mode, links, content)
    return found
