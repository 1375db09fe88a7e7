"""Which host ids a user may give to cells."""

from __future__ import annotations

import os
import pwd
import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox import EngineUnreachable
from sandbox.engines.oci.subids import require_ids

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an ordinary user, who has newuidmap."""
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return nobody.pw_name


def write(folder: Path, subuid: str, subgid: str) -> None:
    (folder / "subuid").write_text(subuid)
    (folder / "subgid").write_text(subgid)


@pytest.mark.parametrize("line", ["nobody:100000:65536", "65534:99999:65537", "else:1:2\nnobody:5:300000"])
def test_a_range_that_is_the_users_may_be_given(tmp_path: Path, line: str) -> None:
    write(tmp_path, line, line)
    require_ids(100_000, 165_535, tmp_path)


@pytest.mark.parametrize("line", ["", "else:100000:65536", "nobody:100001:65536", "nobody:100000:65535"])
def test_a_range_that_is_not_the_users_is_refused_with_what_root_has_to_do(tmp_path: Path, line: str) -> None:
    write(tmp_path, "nobody:100000:65536", line)
    with pytest.raises(EngineUnreachable, match=r"subgid .* Try: usermod --add-subuids 100000-165535 "):
        require_ids(100_000, 165_535, tmp_path)


def test_a_host_without_these_files_gives_no_ids(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="subuid does not give the ids"):
        require_ids(100_000, 165_535, tmp_path)


def test_root_may_give_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    require_ids(100_000, 165_535, tmp_path)


def test_a_host_without_newuidmap_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EngineUnreachable, match="Try: apt-get install uidmap"):
        require_ids(100_000, 165_535, tmp_path)
