"""The runtime catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import InvalidSetting, load_catalogue
from config.runtimes import fill_memory

CONTRACT = {
    "node": ("node:22-alpine", {".js", ".mjs", ".cjs"}),
    "python": ("python:3.11-slim", {".py"}),
    "cpp": ("gcc:14", {".cpp", ".cc", ".cxx", ".c"}),
    "java": ("eclipse-temurin:21-alpine", {".java", ".jar"}),
    "dotnet": ("mcr.microsoft.com/dotnet/runtime:8.0-alpine", {".dll"}),
    "bash": ("alpine:latest", {".sh"}),
}


@pytest.fixture
def operators_file(tmp_path: Path) -> Path:
    return tmp_path / "runtimes.toml"


def test_the_six_runtimes_have_their_images_and_files() -> None:
    shown = {name: (runtime.image, set(runtime.extensions)) for name, runtime in load_catalogue().items()}
    assert shown == CONTRACT


def test_the_local_image_is_named_after_the_runtime() -> None:
    assert load_catalogue()["python"].local_image == "cellblock/python:local"


def test_no_two_runtimes_own_the_same_extension() -> None:
    owned = [extension for runtime in load_catalogue().values() for extension in runtime.extensions]
    assert len(owned) == len(set(owned))


def test_an_operators_table_replaces_single_keys(operators_file: Path) -> None:
    operators_file.write_text('[python]\nimage = "python@sha256:abc"\n[python.limits]\nmemory = "1g"\n')
    python = load_catalogue(operators_file)["python"]
    assert (python.image, python.extensions, python.limits.memory) == ("python@sha256:abc", (".py",), 1 << 30)


def test_an_operators_table_adds_a_runtime(operators_file: Path) -> None:
    operators_file.write_text('[perl]\nimage = "perl:5"\nextensions = [".pl"]\n')
    catalogue = load_catalogue(operators_file)
    assert catalogue["perl"].local_image == "cellblock/perl:local"
    assert set(catalogue) == {*CONTRACT, "perl"}


def test_the_built_in_catalogue_stays_as_it_is_beside_an_operators(operators_file: Path) -> None:
    operators_file.write_text('[bash]\nimage = "busybox"\n')
    load_catalogue(operators_file).clear()
    assert load_catalogue()["bash"].image == "alpine:latest"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[python", "runtimes.toml"),
        ("[perl]\n", "perl.image"),
        ('[perl]\nimage = "x"\ncolour = "red"\n', "perl.colour"),
        ('[python.limits]\nmemory = "lots"\n', "python.limits.memory"),
        ("[python.env]\nN = 1\n", "python.env.N"),
        ('["../x"]\nimage = "x"\n', "'../x'"),
        ("perl = 1\n", "'perl'"),
        ('python = "python:3.12"\n', "'python'"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_place(operators_file: Path, text: str, named: str) -> None:
    operators_file.write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        load_catalogue(operators_file)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(operators_file: Path) -> None:
    operators_file.write_bytes(b"\xff")
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_RUNTIMES=.*runtimes\.toml"):
        load_catalogue(operators_file)


@pytest.mark.parametrize(
    ("place", "filled"),
    [
        ("-Xmx{memory_mib}m", "-Xmx512m"),
        ("{double_memory_mib}", "1024"),
        ("{double_memory_hex}", "40000000"),
        ("{memory_mib} {memory_mib}", "512 512"),
        ("{entry} {} {{memory_mib}", "{entry} {} {512"),
    ],
)
def test_the_cells_memory_is_filled_in_and_nothing_else(place: str, filled: str) -> None:
    assert fill_memory(place, 512 << 20) == filled


def test_a_runtimes_environment_speaks_of_the_cells_memory() -> None:
    node = load_catalogue()["node"]
    assert node.environment(64 << 20) == {"NODE_OPTIONS": "--max-old-space-size=128"}
