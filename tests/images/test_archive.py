from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from typing import Any

from sandbox.images.archive import ImageConfig, docker_archive
from sandbox.images.finish import Finish
from sandbox.images.layer import write_layer
from sandbox.images.trim import Trim

CONFIG = ImageConfig("x/y:local", "amd64", {"LANG": "C.UTF-8"}, {"a": "b"})


def archived() -> tuple[bytes, bytes]:
    tar = io.BytesIO()
    layer = write_layer(tar, [], Trim.of((), ()), Finish())
    tar.seek(0)
    return b"".join(docker_archive(CONFIG, layer, tar)), tar.getvalue()


def read(stream: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        files = {
            member.name: member_file.read()
            for member in archive
            if (member_file := archive.extractfile(member))
        }
    (manifest,) = json.loads(files["manifest.json"])
    return manifest, json.loads(files[manifest["Config"]]), files["layer.tar"]


def test_the_archive_names_the_layer_by_its_digest() -> None:
    stream, tar = archived()
    manifest, config, layer = read(stream)
    assert layer == tar
    assert manifest["Layers"] == ["layer.tar"]
    assert manifest["RepoTags"] == ["x/y:local"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(tar).hexdigest()}"]


def test_the_image_runs_as_nobody_with_a_shell_and_no_entry_point() -> None:
    config = read(archived()[0])[1]["config"]
    assert config == {
        "User": "65534:65534",
        "WorkingDir": "/workspace",
        "Cmd": ["/bin/sh"],
        "Env": ["LANG=C.UTF-8"],
        "Labels": {"a": "b"},
    }


def test_the_same_image_makes_the_same_bytes() -> None:
    assert archived() == archived()


def test_the_image_says_for_which_machine_it_is_and_of_what_it_is_made() -> None:
    stream, tar = archived()
    config = read(stream)[1]
    assert (config["architecture"], config["os"], config["created"]) == (
        CONFIG.architecture,
        "linux",
        "2024-01-01T00:00:00Z",
    )
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{sha256(tar).hexdigest()}"]}
    assert config["history"] == [{"created": config["created"], "created_by": "cellblock"}]
