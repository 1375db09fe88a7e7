"""What all jobs of a worker may take together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checks.finding import ok, warning
from config import format_bytes, load_settings
from sandbox.budget import most_jobs, overcommitments, this_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["budget"]


def budget() -> Iterator[Finding]:
    """The host has the memory and the processes that all jobs together may take."""
    settings, host = load_settings(), this_host()
    for sentence in overcommitments(settings, host):
        yield warning(sentence, "lower CELLBLOCK_CONCURRENCY, CELLBLOCK_AUTOSCALE or the maxima")
    yield ok(f"{most_jobs(settings)} jobs at a time on {format_bytes(host.memory_bytes)} of memory")
