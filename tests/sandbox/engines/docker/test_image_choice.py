"""The choice of the image for a runtime's cells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue, load_settings
from sandbox import EngineUnreachable, ImageMissing
from sandbox.engines.docker import image_choice as module
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.image_choice import ImageChoice, find_image, read_image, split_name
from tests.clock import Clock
from tests.engine_stand_in import StandIn, standing_in

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from tests.engine_checkpoint import Checkpoint

BASH = load_catalogue()["bash"]
ONE, OTHER = (f"sha256:{digit * 64}" for digit in "12")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Clock:
    machine = Clock()
    monkeypatch.setattr(module, "time", machine)
    return machine


def image(image_id: str, **about: Any) -> dict[str, object]:
    return {"Id": image_id, "Size": 7, **about}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(tmp_path / "s") as engine:
        yield engine


@pytest.fixture
def client(there: StandIn) -> Iterator[docker.APIClient]:
    with closing(connect(load_settings(docker_host=there.url))) as client:
        yield client


def test_the_named_image_comes_before_the_local_build(there: StandIn, client: docker.APIClient) -> None:
    there.images[BASH.local_image] = image("local")
    assert ImageChoice(client).choose(BASH).id == "local"
    there.images[BASH.image] = image("named")
    assert ImageChoice(client).choose(BASH).id == "named"


def test_a_choice_holds_for_a_minute(there: StandIn, client: docker.APIClient, machine: Clock) -> None:
    choice = ImageChoice(client)
    there.images[BASH.local_image] = image("old")
    choice.choose(BASH)
    there.images[BASH.local_image] = image("new")
    machine.now_s += 59.9
    assert choice.choose(BASH).id == "old"
    machine.now_s += 0.2
    assert choice.choose(BASH).id == "new"


def test_a_choice_that_is_forgotten_is_made_anew(there: StandIn, client: docker.APIClient) -> None:
    choice = ImageChoice(client)
    choice.forget(BASH)
    there.images[BASH.local_image] = image("old")
    choice.choose(BASH)
    there.images[BASH.local_image] = image("new")
    choice.forget(BASH)
    assert choice.choose(BASH).id == "new"


def test_without_an_image_it_says_which_and_what_brings_one(client: docker.APIClient) -> None:
    says = (
        f"The engine has no image for bash: neither {BASH.image} nor cellblock/bash:local is here."
        " Try: cellblock images pull bash; or without a registry: cellblock images build bash"
    )
    with pytest.raises(ImageMissing) as caught:
        ImageChoice(client).choose(BASH)
    assert str(caught.value) == says


def test_an_engine_that_hangs_up_is_not_one_without_the_image(checkpoint: Checkpoint) -> None:
    with closing(connect(load_settings(docker_host=checkpoint.url))) as client:
        checkpoint.hang_up_on("GET /images/.*")
        with pytest.raises(EngineUnreachable, match="could not be asked to look for an image"):
            find_image(client, "bash:5")


def test_an_image_is_known_by_the_digest_of_its_own_repository() -> None:
    known = [f"mirror.example.com/bash@{ONE}", f"bash@{OTHER}"]
    about = image("x", RepoDigests=known, Config={"Volumes": {"/data": {}}})
    found = read_image(about, "bash:5")
    assert found is not None
    assert (found.name, found.id, found.size_bytes, found.volumes, found.digest) == (
        "bash:5",
        "x",
        7,
        ("/data",),
        OTHER,
    )


@pytest.mark.parametrize(("known", "digest"), [([f"mirror/bash@{ONE}"], ONE), ([], None), (None, None)])
def test_else_by_any_that_it_has(known: list[str] | None, digest: str | None) -> None:
    found = read_image(image("x", RepoDigests=known, Config=None), "bash:5")
    assert found is not None
    assert found.digest == digest


def test_a_pinned_image_is_that_very_one_or_none() -> None:
    about = image("x", RepoDigests=[f"bash@{ONE}"])
    assert read_image(about, f"bash@{ONE}") is not None
    assert read_image(about, f"bash@{OTHER}") is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("bash", ("bash", "latest")),
        ("bash:5", ("bash", "5")),
        ("registry:5000/team/bash", ("registry:5000/team/bash", "latest")),
        ("registry:5000/team/bash:5", ("registry:5000/team/bash", "5")),
        (f"bash@{ONE}", ("bash", ONE)),
    ],
)
def test_a_name_is_a_repository_and_a_tag_or_digest(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts
