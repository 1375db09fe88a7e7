"""Which AppArmor profile a cell has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engines.oci.apparmor import PROFILE, is_enabled, loaded_profile

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox


@pytest.mark.parametrize(
    ("loaded", "mode", "name"),
    [
        ("cellblock-cell", "enforce", PROFILE),
        ("cellblock-cell", "complain", None),
        ("cellblock-cell.old", "enforce", None),
    ],
)
def test_only_a_profile_that_the_kernel_enforces_is_given_to_cells(
    tmp_path: Path, loaded: str, mode: str, name: str | None
) -> None:
    for number, (other, its_mode) in enumerate({"docker-default": "enforce", loaded: mode}.items()):
        folder = tmp_path / f"{other}.{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{other}\n")
        (folder / "mode").write_text(f"{its_mode}\n")
    assert loaded_profile(tmp_path) == name


def test_a_host_without_apparmor_has_no_profile(tmp_path: Path) -> None:
    assert (is_enabled(tmp_path / "enabled"), loaded_profile(tmp_path / "profiles")) == (False, None)


@pytest.mark.parametrize(("text", "enabled"), [("Y\n", True), ("N\n", False)])
def test_the_kernel_says_whether_it_uses_apparmor(tmp_path: Path, text: str, *, enabled: bool) -> None:
    (tmp_path / "enabled").write_text(text)
    assert is_enabled(tmp_path / "enabled") is enabled


def test_a_cell_is_confined_where_the_profile_is_loaded(crun: Sandbox) -> None:
    confined = crun.run("cat /proc/self/attr/apparmor/current /proc/self/attr/current; true", "bash").stdout
    assert (f"{PROFILE} (enforce)" in confined) == (loaded_profile() is not None)


def test_a_job_can_not_take_another_profile(crun: Sandbox) -> None:
    """Without AppArmor there is no profile at all, before and after."""
    own = "/proc/self/attr/current"
    said = crun.run(f"cat {own}; echo changeprofile docker-default >{own}; cat {own}", "bash").stdout
    assert "docker-default" not in said
    assert len(set(said.splitlines())) <= 1
