"""Packages of a language's own index in an image, pinned by a lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.images.package import Package

__all__ = ["Library", "Target", "target_of"]

_MACHINES = {"amd64": ("x86_64", "x64"), "arm64": ("aarch64", "arm64")}
# The newest C library that uv knows by name.
_NEWEST_GLIBC = 40


@dataclass(frozen=True)
class Library:
    """The text of a lock that `lock_packages` has made; `manager` is the program whose packages these are."""

    manager: Literal["pip", "npm"]
    lock: str


@dataclass(frozen=True)
class Target:
    """What packages are chosen for: the Python of an image ("3.11"), its C library, and its architecture."""

    python: str
    glibc: int
    architecture: str

    @property
    def uv_platform(self) -> str:
        """The platform as uv names it."""
        return f"{_MACHINES[self.architecture][0]}-manylinux_2_{min(self.glibc, _NEWEST_GLIBC)}"

    @property
    def npm_cpu(self) -> str:
        """The architecture as npm names it."""
        return _MACHINES[self.architecture][1]


def target_of(packages: Iterable[Package], architecture: str) -> Target:
    """The target that an image with these packages of Debian is; without Python its version is empty."""
    versions = {package.name: package.version for package in packages}
    pythons = [name.split("-")[0] for name in versions if name.startswith("python3.")]
    minor = versions["libc6"].split("-")[0].split(".")[1]
    return Target(pythons[0].removeprefix("python") if pythons else "", int(minor), architecture)
