"""`cellblock images pull` on a host without Docker, from a real registry that asks for a password."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import EngineFailed, ImageMissing, Sandbox
from sandbox.engines.oci import registry as under_test
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.registry import Registry
from sandbox.engines.oci.store import Store
from sandbox.images.progress import silent
from tests.conftest import unavailable
from tests.private_registry import PrivateRegistry, running_registry
from tests.programs import ROOT, free_port, run_cli
from tests.saved_image import ARCHITECTURE, file, saved
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

    Pull = Callable[..., subprocess.CompletedProcess[str]]

OTHER = "s390x"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            unavailable(f"There is no {program}. Try: apt-get install {program}")
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Gives a repository that no other test uses."""
    return f"tests/{abs(hash(request.node.name))}"


@pytest.fixture
def oci(tmp_path: Path) -> dict[str, str]:
    """Gives the settings of a host whose catalogue has one image: `catalogue` writes which."""
    return {
        "CELLBLOCK_ENGINE": "oci",
        "CELLBLOCK_STORE": str(tmp_path / "store"),
        "CELLBLOCK_STATE": str(tmp_path / "state"),
        "CELLBLOCK_RUNTIMES": str(tmp_path / "runtimes.toml"),
    }


@pytest.fixture
def pull(registry: PrivateRegistry, oci: dict[str, str], tmp_path: Path) -> Pull:
    """Gives a function that makes an image the one of bash in the catalogue, and pulls it."""

    def pull(image: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "runtimes.toml").write_text(f'[bash]\nimage = "{image}"\n')
        return run_cli("images", "pull", "bash", *options, **(registry.environment() | oci | variables))

    return pull


def text(content: str, architecture: str = ARCHITECTURE) -> Iterator[bytes]:
    return saved("x:1", [file("etc/text", content.encode())], architecture=architecture)


def stored(tmp_path: Path, image: str) -> str | None:
    """What is in the file of the image in the store, if it has the image."""
    found = OciImages(Store(tmp_path / "store")).find(image)
    return (found.rootfs / "etc/text").read_text() if found else None


def left(tmp_path: Path) -> list[Path]:
    return [path for name in ("images", "names") for path in (tmp_path / "store" / name).iterdir()]


def test_an_image_is_pulled_with_the_password_in_a_file_and_listed_with_its_digest(
    registry: PrivateRegistry, pull: Pull, oci: dict[str, str], tmp_path: Path, name: str
) -> None:
    digest = registry.push(text("hi"), f"{name}:1")
    done = pull(f"{registry.host}/{name}:1")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [f"cellblock: bash {step}" for step in ("ask", "download", "unpack")]
    (row,) = [
        row for row in json.loads(run_cli("images", "ls", "--json", **oci).stdout) if row["runtime"] == "bash"
    ]
    assert (row["image"], row["digest"], row["size_bytes"], row["why"]) == (
        f"{registry.host}/{name}:1",
        digest,
        2,
        "the named image is here",
    )
    assert stored(tmp_path, row["id"]) == "hi"


@pytest.mark.parametrize("password", ["wrong", None])
def test_without_the_right_password_it_says_how_to_give_one(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str, password: str | None
) -> None:
    registry.push(text("hi"), f"{name}:1")
    done = pull(f"{registry.host}/{name}:1", **registry.environment(password))
    assert done.returncode == 125
    assert f"unauthorized: authentication required. Try: skopeo login {registry.host}" in done.stderr
    assert left(tmp_path) == []


def test_an_image_that_is_not_in_the_registry_is_told(
    registry: PrivateRegistry, pull: Pull, name: str
) -> None:
    done = pull(f"{registry.host}/{name}:1")
    assert done.returncode == 125
    assert "manifest unknown. Try: correct the name in the catalogue (CELLBLOCK_RUNTIMES)" in done.stderr


def test_a_registry_that_is_away_is_told_with_another_way(pull: Pull) -> None:
    host = f"127.0.0.1:{free_port()}"
    done = pull(f"{host}/x:1")
    assert done.returncode == 125
    assert f"connection refused. Try: see that {host} answers; without a registry: cellblock" in done.stderr


def test_a_registry_without_tls_is_refused_unless_skopeos_own_file_names_it(
    registry: PrivateRegistry, pull: Pull, name: str
) -> None:
    registry.push(text("hi"), f"{name}:1")
    done = pull(f"{registry.host}/{name}:1", **registry.environment(insecure=False))
    assert done.returncode == 125
    assert f"Try: its certificate in /etc/containers/certs.d/{registry.host}/ca.crt" in done.stderr


def test_without_skopeo_it_says_what_to_install(pull: Pull) -> None:
    done = pull("registry.example.com/x:1", PATH="/nowhere")
    assert done.returncode == 125
    assert "There is no skopeo" in done.stderr


@pytest.mark.parametrize("form", ["{name}@{digest}", "{name}:1@{digest}"])
def test_a_pinned_image_is_that_image_though_the_tag_has_moved(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str, form: str
) -> None:
    digest = registry.push(text("first"), f"{name}:1")
    registry.push(text("second"), f"{name}:1")
    pinned = form.format(name=f"{registry.host}/{name}", digest=digest)
    assert pull(pinned).returncode == 0
    assert stored(tmp_path, pinned) == "first"


def test_a_registry_that_answers_a_pin_with_another_image_is_refused(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    digest, other = (registry.push(text(content), f"{name}:{content}") for content in ("one", "two"))
    registry.blob(digest).write_bytes(registry.blob(other).read_bytes())
    assert pull(f"{registry.host}/{name}@{digest}").returncode == 125
    assert left(tmp_path) == []


@pytest.mark.parametrize("damage", ["changed", "cut off", "gone"])
def test_a_broken_layer_leaves_nothing(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str, damage: str
) -> None:
    digest = registry.push(text(damage), f"{name}:1")
    layer = registry.blob(registry.manifest(digest)["layers"][0]["digest"])
    content = layer.read_bytes()
    if damage == "gone":
        layer.unlink()
    else:
        layer.write_bytes(content[:-20] if damage == "cut off" else content[:-1] + b"?")
    done = pull(f"{registry.host}/{name}:1")
    assert done.returncode == 125
    assert "Try: again; if it stays, push the image again" in done.stderr
    assert left(tmp_path) == []


def test_of_a_list_the_image_for_this_host_is_taken_and_the_digest_is_that_of_the_list(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    images = {one: registry.push(text(one, one), f"{name}:{one}") for one in (OTHER, ARCHITECTURE)}
    digest = registry.push_list(name, "1", images)
    pinned = f"{registry.host}/{name}@{digest}"
    assert pull(pinned).returncode == 0
    assert stored(tmp_path, pinned) == ARCHITECTURE


def test_an_image_for_another_architecture_is_refused(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    registry.push(text("hi", OTHER), f"{name}:1")
    done = pull(f"{registry.host}/{name}:1")
    assert (done.returncode, left(tmp_path)) == (125, [])
    assert f"it is for linux on {OTHER}, and this is linux on {ARCHITECTURE}" in done.stderr


def test_layers_packed_with_zstd_are_unpacked(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    registry.push(text("hi"), f"{name}:1")
    packed = f"oci:{tmp_path}/packed:1"
    registry.copy(f"docker-archive:{registry.folder}/pushed.tar", packed, "--dest-compress-format", "zstd")
    registry.copy(packed, f"docker://{registry.host}/{name}:zstd")
    assert pull(f"{registry.host}/{name}:zstd").returncode == 0
    assert stored(tmp_path, f"{registry.host}/{name}:zstd") == "hi"


def test_an_image_that_is_here_is_asked_for_again_only_if_told_to(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    image = f"{registry.host}/{name}:1"
    for content, options, then in (("1", (), "1"), ("2", (), "1"), ("3", ("--force",), "3")):
        registry.push(text(content), f"{name}:1")
        assert pull(image, *options).returncode == 0
        assert stored(tmp_path, image) == then


def test_what_is_here_under_another_name_is_not_downloaded_again(
    registry: PrivateRegistry, pull: Pull, tmp_path: Path, name: str
) -> None:
    digest = registry.push(text("only once"), f"{name}:1")
    assert pull(f"{registry.host}/{name}:1").returncode == 0
    registry.blob(registry.manifest(digest)["layers"][0]["digest"]).unlink()
    pinned = f"{registry.host}/{name}@{digest}"
    assert pull(pinned).returncode == 0
    assert stored(tmp_path, pinned) == "only once"


def test_a_job_runs_in_the_image_that_was_pulled_and_says_so(
    registry: PrivateRegistry,
    oci_settings: dict[str, Any],
    engine: docker.APIClient,
    open_folder: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in registry.environment().items():
        monkeypatch.setenv(variable, value)
    digest = registry.push(engine.get_image("cellblock/bash:local"), f"{name}:1")
    image = f"{registry.host}/{name}@{digest}"
    (open_folder / "runtimes.toml").write_text(f'[bash]\nimage = "{image}"\n')
    own = oci_settings | {"store": open_folder / "store", "runtimes": open_folder / "runtimes.toml"}
    with Sandbox(load_settings(**own)) as box:
        with pytest.raises(ImageMissing, match="cellblock images pull bash"):
            box.run("true", "bash")
        OciImages(Store(own["store"])).pull(image, silent)
        result = box.run("echo ok", "bash")
    built = engine.inspect_image("cellblock/bash:local")["Id"]  # type: ignore[no-untyped-call]
    assert (result.stdout, result.image, result.image_id) == ("ok\n", image, built)


def test_two_workers_that_start_together_download_an_image_once(
    registry: PrivateRegistry, tmp_path: Path, oci: dict[str, str], name: str
) -> None:
    """A program stands before skopeo and notes each download."""
    registry.push(text("hi"), f"{name}:1")
    real = shutil.which("skopeo")
    (tmp_path / "skopeo").write_text(f'#!/bin/sh\necho $1 >>{tmp_path}/log\nexec {real} "$@"\n')
    (tmp_path / "skopeo").chmod(0o755)
    (tmp_path / "runtimes.toml").write_text(f'[bash]\nimage = "{registry.host}/{name}:1"\n')
    env = os.environ | registry.environment() | oci | {"PYTHONPATH": str(ROOT)}
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    command = [sys.executable, "-m", "cli", "images", "pull", "--quiet", "--force", "bash"]
    pulls = [subprocess.Popen(command, env=env) for _ in range(2)]
    assert [process.wait(60) for process in pulls] == [0, 0]
    assert sorted((tmp_path / "log").read_text().split()) == ["copy", "inspect", "inspect"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pull_that_is_stopped_leaves_nothing(
    tmp_path: Path, oci: dict[str, str], number: signal.Signals
) -> None:
    """A program stands in for skopeo, and never ends its download."""
    program = tmp_path / "skopeo"
    program.write_text(f"#!/bin/sh\n[ $1 = inspect ] || {{ touch {tmp_path}/began; exec sleep 300; }}\n")
    program.chmod(0o755)
    (tmp_path / "runtimes.toml").write_text('[bash]\nimage = "x/y:1"\n')
    env = os.environ | oci | {"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen([sys.executable, "-m", "cli", "images", "pull", "bash"], env=env)
    wait_until((tmp_path / "began").exists, 30, "the download has begun")
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert left(tmp_path) == []


def test_a_registry_that_never_answers_is_asked_for_two_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that asks is made up: it takes longer than that time, which is made short."""
    (tmp_path / "skopeo").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert under_test._ASK_S == 120
    monkeypatch.setattr(under_test, "_ASK_S", 0.2)
    with pytest.raises(EngineFailed, match=r"no answer within 0\.2 s\. Try: see that registry\."):
        Registry("registry.example/tests/a:1").digest()


def test_a_host_without_skopeo_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineFailed, match=r"^There is no skopeo, .* Try: apt-get install skopeo$"):
        Registry("registry.example/tests/a:1").digest()
