"""What the engine holds: images, room on its disk, and containers that should be gone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cli.checks.engine import about_engine
from cli.checks.finding import ok, problem, unseen, warning
from config import format_bytes, load_catalogue, load_settings
from sandbox.engines import open_engine, open_images
from sandbox.engines.docker.client import docker_address
from sandbox.engines.image import first_of, no_image
from sandbox.reaper import due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.checks.finding import Finding
    from config import Runtime
    from sandbox.engines.image import Image

__all__ = ["disk", "images", "images_of", "leftovers", "room"]

# An engine fails in strange ways when it can't write. A common runtime's image takes hundreds of MiB.
_TOO_LITTLE_BYTES = 256 << 20
_LITTLE_BYTES = 2 << 30


def images_of(runtimes: Iterable[Runtime]) -> list[tuple[Runtime, Image | None]]:
    """Each runtime, and the image that its cells would get."""
    with open_images(load_settings()) as images:
        return [(runtime, first_of(images.find, runtime)) for runtime in runtimes]


def images() -> Iterator[Finding]:
    """Every runtime has an image here."""
    for runtime, image in images_of(load_catalogue(load_settings().runtimes).values()):
        if image:
            yield ok(f"{runtime.name}: {image.name}, {format_bytes(image.size_bytes)}")
        else:
            says, mend = no_image(runtime)
            yield warning(f"{runtime.name}: {says}", mend)


def disk() -> Iterator[Finding]:
    """The engine has room to make containers. Jobs write only to memory, and need no disk."""
    settings = load_settings()
    if settings.engine_name == "oci":
        folder = next(path for path in (settings.store, *settings.store.parents) if path.is_dir())
        yield room(folder, psutil.disk_usage(str(folder)).free, "cellblock images prune, or a larger disk")
        return
    folder = Path(about_engine()["DockerRootDir"])
    if docker_address(settings).startswith("unix://") and folder.is_dir():
        yield room(folder, psutil.disk_usage(str(folder)).free)
    else:
        yield unseen(f"the engine keeps its data elsewhere ({folder})")


def room(folder: Path, free_bytes: int, mend: str = "docker system prune, or a larger disk") -> Finding:
    """The finding for `free_bytes` of free space on the engine's disk."""
    says = f"{format_bytes(free_bytes)} free for the engine's data in {folder}"
    if free_bytes < _TOO_LITTLE_BYTES:
        return problem(says, mend)
    return warning(says, mend) if free_bytes < _LITTLE_BYTES else ok(says)


def leftovers() -> Iterator[Finding]:
    """No container of this deployment is past its deadline, or dead and not removed."""
    settings = load_settings()
    with closing(open_engine(settings)) as engine:
        left = due(engine, settings)
    if left:
        yield warning(
            f"{len(left)} containers of {settings.owner!r} should be gone: {', '.join(left[:5])}",
            "cellblock reap; and see that a worker runs, which does so by itself",
        )
    else:
        yield ok(f"nothing of {settings.owner!r} is left behind")
