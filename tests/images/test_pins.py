"""An image with a digest is exactly that image or an error. No other image replaces it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from cli.images import image_row
from config import Runtime, load_catalogue, load_settings
from sandbox import ImageMissing, Sandbox
from sandbox.engines.docker.image_choice import ImageChoice, choose_image, read_image
from sandbox.engines.docker.image_pull import pull_image
from tests.images.registry import Registry, running_registry
from tests.programs import run_cli

pytestmark = pytest.mark.engine

ABSENT = f"sha256:{'a' * 64}"


@pytest.fixture
def registry(engine: docker.APIClient) -> Iterator[Registry]:
    with running_registry() as running:
        yield running
        for image in engine.images(name=running.repository, quiet=True):
            engine.remove_image(image, force=True)


def python(image: str) -> Runtime:
    """The Python runtime with this image. Its locally built image exists on this engine."""
    return load_catalogue()["python"].model_copy(update={"image": image})


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Writes a catalogue whose Python image does not exist. Gives the image's name."""
    name = f"python@{ABSENT}"
    (tmp_path / "runtimes.toml").write_text(f'[python]\nimage = "{name}"\n')
    monkeypatch.setenv("CELLBLOCK_RUNTIMES", str(tmp_path / "runtimes.toml"))
    return name


@pytest.mark.parametrize("name", [f"python@{ABSENT}", f"python:3.11-slim@{ABSENT}", ABSENT])
def test_the_local_build_does_not_stand_in_for_a_pinned_image(
    sandbox: Sandbox, engine: docker.APIClient, name: str
) -> None:
    assert choose_image(engine, load_catalogue()["python"]) is not None
    with pytest.raises(ImageMissing, match=r"no other image replaces.* cellblock images pull python"):
        ImageChoice(engine).choose(python(name))


def test_a_job_of_a_pinned_runtime_fails_where_the_image_is_not_here(sandbox: Sandbox, pinned: str) -> None:
    with Sandbox(load_settings(pull="never")) as other, pytest.raises(ImageMissing, match=pinned):
        other.run("true", "python")


def test_a_pinned_image_is_pulled_by_its_digest_and_used(
    engine: docker.APIClient, registry: Registry
) -> None:
    digest = registry.push("1", "first")
    runtime = python(f"{registry.repository}:1@{digest}")
    registry.push("1", "second")
    assert list(pull_image(engine, runtime.image))
    chosen = ImageChoice(engine).choose(runtime)
    assert (chosen.name, chosen.digest) == (runtime.image, digest)
    assert (
        image_row(runtime, choose_image(engine, runtime))["why"] == "the named image is here, which is pinned"
    )


def test_a_tag_that_is_another_image_now_does_not_stand_in(
    engine: docker.APIClient, registry: Registry
) -> None:
    first, second = registry.push("1", "first"), registry.push("1", "second")
    assert list(pull_image(engine, f"{registry.repository}:1"))
    assert choose_image(engine, python(f"{registry.repository}:1@{first}")) is None
    found = choose_image(engine, python(f"{registry.repository}:1@{second}"))
    assert found is not None
    assert found.digest == second


def test_an_answer_for_another_digest_is_not_taken_for_the_pinned_image() -> None:
    """The engine may answer with another image for a name with a tag and a digest."""
    found = {"Id": "sha256:1", "Size": 1, "RepoDigests": [f"python@sha256:{'b' * 64}"]}
    assert read_image(found, f"python:3.11@{ABSENT}") is None


def test_images_ls_and_doctor_say_that_a_pinned_image_is_to_be_pulled(sandbox: Sandbox, pinned: str) -> None:
    rows = {row["runtime"]: row for row in json.loads(run_cli("images", "ls", "--json").stdout)}
    assert rows["python"]["image"] is None
    assert rows["python"]["why"] == f"{pinned}, which is pinned: pull it"
    said = run_cli("doctor", "images", "--json").stdout
    (finding,) = [one for one in json.loads(said) if one["message"].startswith("python:")]
    assert (finding["level"], finding["mend"]) == ("warning", "cellblock images pull python")
