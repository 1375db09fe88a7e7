"""The `cellblock` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of the `cellblock` script.

    A worker's pool of green threads has to be known before anything else is imported: Celery patches the
    standard library for it. A probe that runs every few seconds is to import none of this.
    """
    if sys.argv[1:] == ["health"]:
        from cli import health

        sys.exit(health.main())
    from celery import maybe_patch_concurrency

    maybe_patch_concurrency(sys.argv, ["-P"], ["--pool"])  # type: ignore[arg-type]  # its stub is wrong
    from cli.main import main as run

    run()
