"""The settings, whether Python finds our own packages, and what all jobs of a worker may take together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.checks.finding import ok, problem, warning
from cli.names import OURS, PACKAGES, strangers
from config import InvalidSetting, format_bytes, load_catalogue, load_settings
from sandbox.budget import most_jobs, overcommitments, this_host
from sandbox.limits import check_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["budget", "names", "settings"]


def settings() -> Iterator[Finding]:
    """Every variable and the runtime catalogue are valid."""
    try:
        given = load_settings()
        catalogue = load_catalogue(given.runtimes)
        check_catalogue(catalogue, given)
    except InvalidSetting as error:
        yield problem(str(error), "correct the variable, see docs/reference/settings.md")
        return
    if given.isolates:
        yield ok(f"{len(catalogue)} runtimes; commands run in containers")
    else:
        yield warning(
            f"{len(catalogue)} runtimes; commands run on this host, with no isolation", "ENABLE_DOCKER=true"
        )


def names() -> Iterator[Finding]:
    """No other package is called `config`, `sandbox` or `tasks` where Python looks first."""
    found = strangers()
    for name, place in found.items():
        yield problem(
            f"Python finds another {name!r} before ours: {place}",
            "take its folder out of PYTHONPATH, or give cellblock a venv of its own",
        )
    here = Path.cwd()
    for name in set(PACKAGES) - set(found) if here != OURS else ():
        if (here / f"{name}.py").exists() or (here / name / "__init__.py").exists():
            yield warning(
                f"this folder has a {name!r} of its own, which `python` started here finds before ours",
                "call the task by its name: app.signature('cellblock.run_sandboxed', queue='cellblock')",
            )
    if not found:
        yield ok(f"{', '.join(PACKAGES)} come from {OURS}")


def budget() -> Iterator[Finding]:
    """The host has the memory and the processes that all jobs together may take."""
    settings, host = load_settings(), this_host()
    for sentence in overcommitments(settings, host):
        yield warning(sentence, "lower CELLBLOCK_CONCURRENCY, CELLBLOCK_AUTOSCALE or the maxima")
    yield ok(f"{most_jobs(settings)} jobs at a time on {format_bytes(host.memory_bytes)} of memory")
