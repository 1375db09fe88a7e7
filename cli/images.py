"""`cellblock images`: which image each runtime uses, and how to get one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cli.checks.stock import images_of
from cli.exit_codes import ExitCode
from cli.options import Json
from cli.show import note, print_json, print_table
from cli.terminal import printable
from config import format_bytes, load_catalogue, load_settings
from config.quoting import quoted
from sandbox import InvalidJob, SandboxUnavailable
from sandbox.engines import open_images
from sandbox.engines.image import CONTENTS_LABEL
from sandbox.images import RECIPES, Cache, base_recipe, lock_packages, recipe_of, target_for
from sandbox.images import build as build_image
from sandbox.images import runtimes as with_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.progress import TaskID

    from config import Runtime, Settings
    from sandbox.engines.image import Image

__all__ = ["app", "image_row"]

_COLUMNS = ("runtime", "image", "contains", "id", "digest", "size", "why")

app = typer.Typer(help="The images that cells are made from.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="RUNTIME…", help="All of them by default.")]
#: Called with what is in progress, how much of it is done, and how much there is in total.
Tell = Callable[[str, int, int], None]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


@app.command("ls")
def list_images(as_json: Json = False) -> None:
    """Show for each runtime the image that would be used, and why."""
    rows = [image_row(runtime, image) for runtime, image in images_of(_chosen(None))]
    if as_json:
        print_json(rows)
    else:
        # A table has the start of an id, as Docker shows it; only images from a registry have a digest.
        short = [row | {"id": _start(row["id"]), "digest": _start(row["digest"])} for row in rows]
        columns = [column for column in _COLUMNS if column != "digest" or any(row["digest"] for row in rows)]
        print_table(columns, ([row[column] for column in columns] for row in short))


def _start(digest: str | int | None) -> str | None:
    return str(digest).rpartition(":")[2][:12] if digest else None


def image_row(runtime: Runtime, image: Image | None) -> dict[str, str | int | None]:
    """The image that would be used for `runtime`, and why; sizes in bytes, None where there is no image."""
    return {
        "runtime": runtime.name,
        "image": image.name if image else None,
        "contains": image.labels.get(CONTENTS_LABEL) if image else None,
        "id": image.id if image else None,
        "digest": image.digest if image else None,
        "size": format_bytes(image.size_bytes) if image else None,
        "size_bytes": image.size_bytes if image else None,
        "why": _why(runtime, image),
    }


def _why(runtime: Runtime, image: Image | None) -> str:
    pinned = ", which is pinned" if runtime.is_pinned else ""
    if runtime.is_built:
        return f"built here for its packages{'' if image else ': build it'}"
    if image is None:
        mend = "pull it" if runtime.is_pinned else "pull or build it"
        return f"{runtime.image}{pinned}: {mend}"
    if image.name == runtime.image:
        return f"the named image is here{pinned}"
    return f"{runtime.image} is not here, the local build is"


def _says_built_here(chosen: Iterable[Runtime], *, quiet: bool) -> bool:
    """Say which of the chosen runtimes no registry has. Whether there is one."""
    built = [runtime for runtime in chosen if runtime.is_built]
    for runtime in built:
        if not quiet:
            note(_built_here(runtime))
    return bool(built)


def _pulled(runtimes: Iterable[Runtime]) -> Iterator[tuple[str, str]]:
    """The images of runtimes, and those of their compilers, each with the runtime's name."""
    for runtime in runtimes:
        for image in dict.fromkeys((runtime.image, runtime.compiler.image)):
            yield runtime.name, image


@app.command()
def pull(
    names: Names = None,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option(help="Ask the registry also for images that are here.")] = False,
) -> None:
    """Pull the images of the runtimes from their registry."""
    chosen = _chosen(names)
    failed = _says_built_here(chosen, quiet=quiet) if names else False
    with _ended_by_sigterm(), open_images(load_settings()) as images:
        for name, image in _pulled(one for one in chosen if not one.is_built):
            if not force and images.find(image):
                continue
            try:
                with _bars(quiet=quiet) as tell:
                    images.pull(image, partial(_tell_step, tell, name))
            except SandboxUnavailable as error:
                failed = True
                if not quiet:
                    note(str(error))
    if failed:
        raise typer.Exit(ExitCode.SANDBOX_FAILED)


@app.command()
def build(
    names: Names = None,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option(help="Fetch the newest packages and build again.")] = False,
) -> None:
    """Build the images from Debian packages.

    For a machine that can't reach an image registry.
    """
    settings = load_settings()
    folder, catalogue = settings.recipes or RECIPES, load_catalogue(settings.runtimes)
    ours = (runtime.image_of for runtime in catalogue.values() if runtime.packages)
    with open_images(settings) as images:
        for name in names or dict.fromkeys((*with_recipe(folder), *ours)):
            recipe = recipe_of(name, catalogue, folder, _locks(settings))
            with _bars(quiet=quiet) as tell:
                progress = partial(_tell_step, tell, name)
                built = build_image(recipe, images, force=force, progress=progress)
            if not quiet:
                state = "built" if built.fresh else "up to date"
                note(f"{built.tag}: {state}, {format_bytes(built.size)}")


@app.command()
def lock(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="RUNTIME…", help="All that have packages by default.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Pin the newest packages of runtimes that name any.

    The locks, with hashes, are files beside CELLBLOCK_RUNTIMES.
    """
    settings = load_settings()
    catalogue, cache = load_catalogue(settings.runtimes), Cache.default()
    with open_images(settings) as images:
        for runtime in _chosen(names):
            if runtime.image_of != runtime.name or not runtime.packages:
                continue
            recipe = base_recipe(runtime, catalogue, settings.recipes or RECIPES)
            target = target_for(recipe, images, cache)
            for path in lock_packages(runtime, target, _locks(settings), cache.folder("wheels")):
                if not quiet:
                    note(f"{path}: written")


@app.command()
def prune(
    quiet: Quiet = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also images that only names outside of the catalogue have.")
    ] = False,
) -> None:
    """Remove images that have no name and that no cell uses.

    Such are those that a build has replaced. With Docker, only images that cellblock has built are
    removed, and there is no `--all`.
    """
    names = {name for one in _chosen(None) for name in (*one.images, *one.compiler.images)}
    with open_images(load_settings()) as images:
        freed = images.prune(names if everything else None)
    if not quiet:
        note(f"freed {format_bytes(freed)}")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End by an exception at SIGTERM, so that what is half done is removed. A worker ends its pull so."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _locks(settings: Settings) -> Path:
    """The folder of the operator's catalogue, where the locks are."""
    return settings.runtimes.parent if settings.runtimes else Path()


def _built_here(runtime: Runtime) -> str:
    return (
        f"{runtime.name} has packages, so no registry has its image: it is built here, on Debian's packages. "
        f"Try: cellblock images build {runtime.image_of}"
    )


def _tell_step(tell: Tell, name: str, step: str, done: int, total: int) -> None:
    tell(f"{name} {step}", done, total)


def _chosen(names: list[str] | None) -> list[Runtime]:
    catalogue = load_catalogue(load_settings().runtimes)
    unknown = [name for name in names or () if name not in catalogue]
    if unknown:
        raise InvalidJob(
            f"There is no runtime {quoted(unknown[0])}. There are: {', '.join(sorted(catalogue))}."
        )
    return [catalogue[name] for name in names or catalogue]


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Tell]:
    """Show progress: on a terminal, a bar for each item; elsewhere, a line when an item begins."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        seen: set[str] = set()

        def tell(what: str, done: int, total: int) -> None:
            if not quiet and what not in seen:
                seen.add(what)
                note(what)

        yield tell
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(printable(what, 100), total=total or None)
            progress.update(bars[what], completed=done, total=total or None)

        yield advance
