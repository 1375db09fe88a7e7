"""`cellblock images ls` shows which image a runtime would use, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cli.images import list_images
from config import load_catalogue
from sandbox.engines.image import Image
from tests.engine_stand_in import standing_in
from tests.programs import run_cli

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from config import Runtime

LOCAL: dict[str, object] = {"Id": "sha256:2", "Size": 2 << 20, "RepoDigests": []}
NAMED: dict[str, object] = {
    "Id": "sha256:1",
    "Size": 1 << 20,
    "RepoDigests": ["mirror.test/bash@sha256:a", "bash@sha256:b"],
}


def listed(folder: Path, **images: dict[str, object]) -> dict[str, object]:
    return all_listed(folder, images)["bash"]


def all_listed(folder: Path, images: dict[str, dict[str, object]]) -> dict[object, dict[str, object]]:
    with standing_in(folder / "engine.sock", **images) as stand_in:
        rows: list[dict[str, object]] = json.loads(
            run_cli("images", "ls", "--json", CELLBLOCK_DOCKER_HOST=stand_in.url).stdout
        )
    return {row["runtime"]: row for row in rows}


def test_a_pulled_image_comes_with_the_digest_of_its_own_registry(tmp_path: Path) -> None:
    assert listed(tmp_path, **{"bash:5": NAMED, "cellblock/bash:local": LOCAL}) == {
        "runtime": "bash",
        "image": "bash:5",
        "contains": None,
        "id": "sha256:1",
        "digest": "sha256:b",
        "size": "1 MiB",
        "size_bytes": 1 << 20,
        "why": "the named image is here",
    }


def test_a_table_has_the_start_of_an_id_and_digests_only_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bash = load_catalogue()["bash"]
    image = Image("cellblock/bash:local", f"sha256:{'1' * 64}", 1, (), {}, None)
    shown: list[tuple[Runtime, Image | None]] = [(bash, image)]
    monkeypatch.setattr("cli.images.images_of", lambda _: shown)
    list_images()
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["runtime", "image", "contains", "id", "size", "why"]
    assert row.split()[3] == "1" * 12
    shown[0] = (bash, replace(image, digest=f"sha256:{'2' * 64}"))
    list_images()
    assert "2" * 12 in capsys.readouterr().out.split()


def test_the_local_build_stands_in_and_has_no_digest(tmp_path: Path) -> None:
    row = listed(tmp_path, **{"cellblock/bash:local": LOCAL})
    assert (row["image"], row["id"], row["digest"]) == ("cellblock/bash:local", "sha256:2", None)
    assert row["why"] == "bash:5 is not here, the local build is"


def test_with_no_image_it_says_what_brings_one(tmp_path: Path) -> None:
    row = listed(tmp_path)
    assert (row["image"], row["size_bytes"], row["why"]) == (None, None, "bash:5: pull or build it")


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_every_runtime_is_listed_on_the_real_engine(
    engine: docker.APIClient, options: tuple[str, ...]
) -> None:
    done = run_cli("images", "ls", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in load_catalogue() if name not in done.stdout] == []


def test_a_local_build_says_what_it_contains(tmp_path: Path) -> None:
    labels = {"Labels": {"cellblock.contents": "bash 5.2.15"}}
    assert (
        listed(tmp_path, **{"cellblock/bash:local": LOCAL | {"Config": labels}})["contains"] == "bash 5.2.15"
    )


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ({"cellblock/data:local": LOCAL}, "built here for its packages"),
        ({}, "built here for its packages: build it"),
    ],
)
def test_an_image_with_packages_is_built_here_and_nowhere_else(
    tmp_path: Path, images: dict[str, dict[str, object]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtimes.toml").write_text('[data]\nextends = "python"\npackages = ["numpy"]\n')
    monkeypatch.setenv("CELLBLOCK_RUNTIMES", str(tmp_path / "runtimes.toml"))
    assert all_listed(tmp_path, images)["data"]["why"] == why
