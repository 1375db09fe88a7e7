from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.engines.docker.images import DockerImages, speaking
from sandbox.errors import ImageBuildFailed
from sandbox.images import Cache, Recipe, build
from sandbox.images.source import Source

from .conftest import Deb, Publish

pytestmark = pytest.mark.engine

RECIPE = Recipe("fake", "a fake", (("top",),), env={"PATH": "/bin"})


@pytest.fixture
def top(deb: Deb, publish: Publish) -> None:
    deb("top", {"usr/share/top": "1"})
    publish()


def labelled(client: docker.APIClient, tag: str) -> dict[str, Any]:
    image = client.inspect_image(tag)  # type: ignore[no-untyped-call]
    assert isinstance(image, dict)
    return image


@pytest.mark.usefixtures("top")
def test_the_second_build_needs_neither_tools_nor_network(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    monkeypatch.setenv("PATH", "")
    second = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    assert (first.fresh, second.fresh) == (True, False)
    assert second == replace(first, fresh=False)


@pytest.mark.usefixtures("top")
def test_a_lost_cache_does_not_lose_the_image_when_offline(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    shutil.rmtree(cache.root)
    monkeypatch.setenv("PATH", "")
    assert build(RECIPE, DockerImages(client), cache=cache, prefix=prefix).image_id == first.image_id
    with pytest.raises(ImageBuildFailed, match="apt-get is not on this machine"):
        build(replace(RECIPE, drop=("/x",)), DockerImages(client), cache=cache, prefix=prefix)


@pytest.mark.usefixtures("top")
def test_the_same_packages_make_the_same_image_anywhere(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    tmp_path: Path,
) -> None:
    first = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    client.remove_image(first.tag)
    second = build(RECIPE, DockerImages(client), cache=Cache(tmp_path / "elsewhere"), prefix=prefix)
    assert second == first
    assert build(RECIPE, DockerImages(client), cache=cache, prefix=prefix, force=True) == first


@pytest.mark.usefixtures("top")
def test_a_changed_recipe_replaces_the_image_and_removes_the_old_one(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
) -> None:
    old = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    new = build(replace(RECIPE, env={"A": "1"}), DockerImages(client), cache=cache, prefix=prefix)
    assert labelled(client, new.tag)["Id"] == new.image_id != old.image_id
    with pytest.raises(docker.errors.NotFound):
        labelled(client, old.image_id)


def test_force_fetches_newer_packages(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    deb: Deb,
    publish: Publish,
) -> None:
    deb("top", {"usr/share/top": "1"})
    publish()
    first = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    deb("top", {"usr/share/top": "2"}, version="2")
    publish()
    assert build(RECIPE, DockerImages(client), cache=cache, prefix=prefix).key == first.key
    assert build(RECIPE, DockerImages(client), cache=cache, prefix=prefix, force=True).key != first.key


def test_a_package_that_the_archive_has_dropped_is_asked_for_anew(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    deb: Deb,
    publish: Publish,
) -> None:
    old = deb("top", {"usr/share/top": "1"})
    publish()
    build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    old.unlink()
    shutil.rmtree(cache.root / "debian" / "archives")
    deb("top", {"usr/share/top": "2"}, version="2")
    publish()
    assert build(replace(RECIPE, env={"A": "1"}), DockerImages(client), cache=cache, prefix=prefix).fresh


@pytest.mark.usefixtures("top")
@pytest.mark.parametrize("step", ["download", "merge", "load"])
def test_a_build_that_breaks_off_leaves_tag_and_cache_as_they_were(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
    step: str,
) -> None:
    before = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    files = sorted(path.name for path in cache.root.iterdir())

    def interrupt(now: str, done: int, total: int) -> None:
        if now == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(replace(RECIPE, env={}), DockerImages(client), cache=cache, prefix=prefix, progress=interrupt)
    assert labelled(client, before.tag)["Id"] == before.image_id
    assert sorted(path.name for path in cache.root.iterdir()) == files


@pytest.mark.usefixtures("top")
def test_progress_runs_to_the_end_of_every_step(
    client: docker.APIClient,
    cache: Cache,
    prefix: str,
) -> None:
    last: dict[str, tuple[int, int]] = {}
    build(
        RECIPE,
        DockerImages(client),
        cache=cache,
        prefix=prefix,
        progress=lambda step, done, total: last.update({step: (done, total)}),
    )
    assert list(last) == ["download", "merge", "load"]
    assert all(done == total for done, total in last.values())


def test_what_the_engine_cannot_load_is_an_error(client: docker.APIClient) -> None:
    with pytest.raises(ImageBuildFailed), speaking():
        DockerImages(client).load(iter([b"no archive"]))


def test_an_engine_that_is_away_is_one_sentence(cache: Cache, tmp_path: Path) -> None:
    client = docker.APIClient(base_url=f"unix://{tmp_path}/no.sock", version="1.41")
    with pytest.raises(ImageBuildFailed, match="see that `docker info` works"):
        build(RECIPE, DockerImages(client), cache=cache)


def test_a_cache_that_cannot_be_used_is_one_sentence(client: docker.APIClient, cache: Cache) -> None:
    (cache.folder(".") / "lock").mkdir()
    with pytest.raises(ImageBuildFailed, match=r"cannot be used \(Is a directory\); see that it is yours"):
        build(RECIPE, DockerImages(client), cache=cache)


@pytest.mark.usefixtures("top")
def test_an_old_image_that_has_another_name_or_is_in_use_stays(
    client: docker.APIClient, cache: Cache, prefix: str
) -> None:
    old = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    client.tag(old.image_id, f"{prefix}/kept", "1")
    build(replace(RECIPE, env={"A": "1"}), DockerImages(client), cache=cache, prefix=prefix)
    assert labelled(client, f"{prefix}/kept:1")["Id"] == old.image_id


@pytest.mark.usefixtures("top")
def test_an_image_that_a_container_uses_stays_and_so_does_one_that_nobody_built(
    client: docker.APIClient, cache: Cache, prefix: str
) -> None:
    old = build(RECIPE, DockerImages(client), cache=cache, prefix=prefix)
    found = DockerImages(client).find(old.tag)
    assert found is not None
    container = client.create_container(old.image_id, ["true"])["Id"]
    try:
        build(replace(RECIPE, env={"A": "1"}), DockerImages(client), cache=cache, prefix=prefix)
        assert labelled(client, old.image_id)["RepoTags"] == []
    finally:
        client.remove_container(container)
    DockerImages(client).discard(replace(found, labels={}))
    assert DockerImages(client).find(old.image_id) is not None
    DockerImages(client).discard(found)
    assert DockerImages(client).find(old.image_id) is None


def test_a_recipe_with_no_source_for_the_machine_is_told_so(
    client: docker.APIClient, cache: Cache, deb: Deb, publish: Publish
) -> None:
    deb("top", {})
    publish()
    source = Source("npm", "thing", "1.0", "m68k", "0" * 64)
    with pytest.raises(ImageBuildFailed, match="recipe of fake has no source for amd64; add one"):
        build(replace(RECIPE, sources=(source,)), DockerImages(client), cache=cache)


@pytest.mark.usefixtures("top")
def test_a_build_that_is_forced_fetches_the_lists_first(
    client: docker.APIClient, cache: Cache, prefix: str
) -> None:
    told: list[tuple[str, int, int]] = []
    build(
        RECIPE,
        DockerImages(client),
        cache=cache,
        prefix=prefix,
        force=True,
        progress=lambda *step: told.append(step),
    )
    assert told[:2] == [("lists", 0, 1), ("lists", 1, 1)]
