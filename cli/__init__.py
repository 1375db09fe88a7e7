"""The `cellblock` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of the `cellblock` script. A probe that runs every few seconds imports nothing else."""
    if sys.argv[1:] == ["health"]:
        from cli import health

        sys.exit(health.main())
    _check_names()
    from cli.main import main as run

    run()


def _check_names() -> None:
    """Stop where an import would get somebody else's module; `doctor` goes on, to say so among the rest."""
    from cli.names import put_ours_first, strangers

    found = strangers()
    if found and sys.argv[1:2] != ["doctor"]:
        name, place = next(iter(found.items()))
        sys.stderr.write(
            f"cellblock: Python finds another {name!r} before ours: {place}. Try: cellblock doctor names\n"
        )
        sys.exit(125)
    if found:
        put_ours_first()
