"""The `cellblock` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of the `cellblock` script. `health`, which runs often, imports nothing else."""
    if sys.argv[1:] == ["health"]:
        from cli import health

        sys.exit(health.main())
    _check_names()
    from cli.main import main as run

    run()


def _check_names() -> None:
    """Stop if an import would find another package of the same name. `doctor` goes on, and reports it."""
    from cli.names import put_ours_first, strangers

    # Many apps have an `api` of their own, which only this command must not find.
    found = strangers(*(name for name in sys.argv[1:2] if name == "api"))
    if found and sys.argv[1:2] != ["doctor"]:
        name, place = next(iter(found.items()))
        sys.stderr.write(
            f"cellblock: Python finds another {name!r} before ours: {place}. Try: cellblock doctor names\n"
        )
        sys.exit(125)
    if found:
        put_ours_first()
