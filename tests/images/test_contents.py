from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.contents import contents_of
from sandbox.images.package import Package
from sandbox.images.recipe import Recipe
from sandbox.images.source import Source


def contains(text: str, name: str, version: str) -> str:
    recipe = Recipe("fake", "a fake", contains=text)
    return contents_of(recipe, [Package(name, version, "amd64", name, "0" * 64)])


@pytest.mark.parametrize(
    ("text", "name", "version", "says"),
    [
        ("Python {python3.*-minimal}", "python3.11-minimal", "3.11.2-6+deb12u6", "Python 3.11.2"),
        ("GCC {g++-[0-9]*}", "g++-14", "14.2.0-19", "GCC 14.2.0"),
        ("OpenJDK {openjdk-[0-9]*}", "openjdk-21", "21.0.13.1+2-1~deb13u1", "OpenJDK 21.0.13.1"),
        ("Make {make}", "make", "1:4.3-4.1", "Make 4.3"),
        (".NET 8.0.4", "bash", "5.2", ".NET 8.0.4"),
    ],
)
def test_versions_are_those_of_the_programs_makers(text: str, name: str, version: str, says: str) -> None:
    assert contains(text, name, version) == says


def test_a_version_may_be_that_of_a_source() -> None:
    recipe = Recipe("fake", "a fake", contains="Node.js {node}")
    source = Source("pip", "node", "22.20.0", "amd64", "0" * 64)
    assert contents_of(replace(recipe, sources=(source,)), []) == "Node.js 22.20.0"


def test_a_package_that_there_is_not_is_named() -> None:
    with pytest.raises(ImageBuildFailed, match=r"recipe of fake has no package gcc, as it says; correct"):
        contains("GCC {gcc}", "bash", "5.2")
