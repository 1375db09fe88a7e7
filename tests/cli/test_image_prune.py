"""`cellblock images prune` with Docker. tests/sandbox/engines/oci/test_prune.py has the engine without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine_stand_in import standing_in
from tests.programs import run_cli

if TYPE_CHECKING:
    from pathlib import Path


def test_only_images_that_were_built_here_and_have_no_name_are_removed(tmp_path: Path) -> None:
    with standing_in(tmp_path / "engine.sock") as stand_in:
        done = run_cli("images", "prune", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "cellblock: freed 1 MiB\n")
    assert stand_in.pruned == {"dangling": ["true"], "label": ["cellblock.recipe"]}


def test_names_that_the_catalogue_does_not_have_are_left_to_docker(tmp_path: Path) -> None:
    with standing_in(tmp_path / "engine.sock") as stand_in:
        done = run_cli("images", "prune", "--all", CELLBLOCK_DOCKER_HOST=stand_in.url)
    assert (done.returncode, stand_in.pruned) == (125, {})
    assert "Try: docker image prune --all" in done.stderr
