"""`cellblock blob`: stores, reads and removes contents that jobs name by their refs."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from cli.options import Json
from cli.show import note, print_json, say
from config import format_bytes, load_settings
from config.tenants import is_tenant
from sandbox.blobs import Blob, missing_blob, read_blob, write_blob
from sandbox.payload import decode_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.blobs import BlobStore

__all__ = ["app"]

app = typer.Typer(help="Store, read and remove contents that jobs name by their refs.", no_args_is_help=True)

_PIECE_BYTES = 1 << 20


def _check_tenant(name: str) -> str:
    if name and not is_tenant(name):
        raise typer.BadParameter("give 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
    return name


Ref = Annotated[str, typer.Argument(metavar="REF", help="sha256: and 64 digits.")]
Tenant = Annotated[
    str, typer.Option(help="Whose blobs; nobody's, if not given.", callback=_check_tenant, show_default=False)
]


@app.command()
def put(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The content; - is the standard input.")],
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Store a content and print its ref. It expires as results do."""
    with _store(tenant) as store, _opened(path) as file:
        blob = write_blob(store, iter(lambda: file.read(_PIECE_BYTES), b""))
    if as_json:
        print_json({"ref": blob.ref, "size": blob.size})
    else:
        say(blob.ref)


@app.command()
def get(
    ref: Ref,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A new file; else the standard output."),
    ] = None,
    tenant: Tenant = "",
) -> None:
    """Read a content, and check that it is what was stored."""
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("the content may be anything: not to a terminal", param_hint="--output")
    with _store(tenant) as store:
        size = store.size(decode_ref("REF", ref))
        if size is None:
            raise missing_blob("REF", ref)
        pieces = read_blob(store, Blob(ref, size))
        if output is None:
            sys.stdout.buffer.writelines(pieces)
        else:
            _save(output, pieces)
            note(f"saved {output} ({format_bytes(size)})")


@app.command()
def rm(ref: Ref, tenant: Tenant = "") -> None:
    """Remove a content. Jobs that name it are refused from then on."""
    with _store(tenant) as store:
        if not store.remove(decode_ref("REF", ref)):
            raise missing_blob("REF", ref)


@contextmanager
def _store(tenant: str) -> Iterator[BlobStore]:
    from tasks.blobs import open_blobs

    with open_blobs(load_settings(), tenant) as store:
        yield store


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="FILE") from None
    with file:
        yield file


def _save(path: Path, pieces: Iterator[bytes]) -> None:
    """Write the whole content to a new file, or leave no file."""
    try:
        file = path.open("xb")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--output") from None
    try:
        with file:
            file.writelines(pieces)
    except BaseException:
        os.unlink(path)  # noqa: PTH108  it was made here
        raise
