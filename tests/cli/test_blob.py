"""`cellblock blob`, and the options of `run` and `submit` for refs and workspaces."""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.terminal import on_a_terminal
from tests.programs import run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Worker

EMPTY = f"sha256:{hashlib.sha256(b'').hexdigest()}"


@pytest.fixture
def blob(tmp_path: Path) -> Any:
    """Gives a function that runs `cellblock blob` on a store in a folder."""
    (store := tmp_path / "store").mkdir()
    return lambda *words, **more: run_cli("blob", *words, CELLBLOCK_BLOBS=str(store), cwd=tmp_path, **more)


def test_a_content_is_put_got_and_removed(blob: Any, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"\0\xff" * 1_000_000)
    put = blob("put", "content")
    ref = put.stdout.strip()
    got = blob("get", ref, "-o", "copy")
    assert (put.returncode, got.stdout, got.stderr) == (0, "", "cellblock: saved copy (1.907 MiB)\n")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "content").read_bytes()
    assert (blob("rm", ref).returncode, blob("rm", ref).returncode) == (0, 2)


def test_standard_streams_serve_too(blob: Any) -> None:
    put = json.loads(blob("put", "-", "--json", stdin="hello\n").stdout)
    assert put["size"] == 6
    assert blob("get", put["ref"]).stdout == "hello\n"


def test_a_content_goes_to_a_file_but_not_to_a_terminal(blob: Any, tmp_path: Path) -> None:
    ref = blob("put", "-", stdin="hello").stdout.strip()
    on_terminal = partial(
        on_a_terminal, "blob", "get", ref, cwd=str(tmp_path), CELLBLOCK_BLOBS=str(tmp_path / "store")
    )
    assert on_terminal()[0] == 2
    assert on_terminal("-o", "copy") == (0, "cellblock: saved copy (5 B)\n")


def test_each_tenant_has_its_own(blob: Any) -> None:
    ref = blob("put", "-", "--tenant", "alice", stdin="x").stdout.strip()
    other, own = blob("get", ref, "--tenant", "bob"), blob("get", ref, "--tenant", "alice")
    assert (other.returncode, own.stdout) == (2, "x")
    assert other.stderr.startswith(f"cellblock: REF: there is no blob {ref};")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("put", "no-such-file"), "no-such-file: No such file or directory"),
        (("put", "-", "--tenant", "a/b"), "give 1 to 64 of the characters"),
        (("get", "sha256:abc"), "'sha256:abc' is no ref"),
        (("get", EMPTY), f"there is no blob {EMPTY}"),
    ],
)
def test_a_wrong_call_is_one_sentence(blob: Any, words: tuple[str, ...], says: str) -> None:
    done = blob(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())


def test_a_damaged_content_is_never_saved(blob: Any, tmp_path: Path) -> None:
    ref = blob("put", "-", stdin="hello").stdout.strip()
    (tmp_path / "store" / "no-tenant" / ref[7:]).write_text("jello")
    done = blob("get", ref, "-o", "copy")
    assert (done.returncode, "incomplete or damaged" in done.stderr, (tmp_path / "copy").exists()) == (
        2,
        True,
        False,
    )


def test_no_file_is_overwritten(blob: Any, tmp_path: Path) -> None:
    ref = blob("put", "-", stdin="new").stdout.strip()
    (tmp_path / "old").write_text("old")
    assert (blob("get", ref, "-o", "old").returncode, (tmp_path / "old").read_text()) == (2, "old")


def test_with_no_store_it_says_so() -> None:
    done = run_cli("blob", "put", "-", CELLBLOCK_BLOBS="off")
    assert (done.returncode, done.stderr) == (
        2,
        "cellblock: There is no blob store here (CELLBLOCK_BLOBS=off).\n",
    )


def test_run_and_submit_keep_and_take_workspaces(worker: Worker) -> None:
    broker = {"CELLBLOCK_BROKER_URL": worker.broker_url}
    kept = run_cli("submit", "--wait", "--keep-workspace", "--", "echo one > f", **broker)
    ref = re.fullmatch(r"cellblock: kept the workspace as (sha256:\w{64})\n", kept.stderr)
    assert ref
    taken = run_cli("run", "--workspace", ref[1], "--", "cat f", **broker)
    assert (taken.returncode, taken.stdout) == (0, "one\n")


def test_artifacts_by_ref_are_named_and_used_as_files(worker: Worker) -> None:
    broker = {"CELLBLOCK_BROKER_URL": worker.broker_url}
    words = ("--artifact", "f", "--artifacts-as", "ref", "--", "echo one > f")
    left = run_cli("submit", "--wait", *words, **broker)
    ref = re.fullmatch(r"cellblock: stored f \(4 B\) as (sha256:\w{64})\n", left.stderr)
    assert ref
    used = run_cli("submit", "--wait", "--file", f"g=@{ref[1]}", "--", "cat g", **broker)
    assert (used.returncode, used.stdout) == (0, "one\n")


def test_a_workspace_that_was_not_kept_is_said(worker: Worker) -> None:
    words = ("--keep-workspace", "--disk", "1m", "--", "truncate -s 900k a b")
    done = run_cli("submit", "--wait", *words, CELLBLOCK_BROKER_URL=worker.broker_url)
    assert done.stderr.startswith("cellblock: did not keep the workspace: its files take 1.758 MiB")
