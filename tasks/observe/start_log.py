"""The lines that a worker logs at its start: where jobs run, and what the host can't hold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sandbox.budget import overcommitments, this_host

if TYPE_CHECKING:
    from config import Settings

__all__ = ["log_isolation", "log_overcommitments"]

_log = logging.getLogger("cellblock")


def log_isolation(settings: Settings) -> None:
    """Say whether commands run in containers or on this host. Sets the log level of these lines first."""
    _log.setLevel(settings.log_level)
    if settings.enable_docker:
        _log.info("Docker isolation: ENABLED (Secure)")
        _log.info("Execution context: Docker container (isolated, read-only FS, no networking)")
    else:
        _log.warning("Docker isolation: DISABLED (ENABLE_DOCKER=false): commands run on this host")
        _log.warning("Execution context: this host, with the worker's own rights")


def log_overcommitments(settings: Settings) -> None:
    """Warn of each resource of this host of which the jobs together may use more than there is."""
    for sentence in overcommitments(settings, this_host()):
        _log.warning("More is promised to jobs than there is: %s", sentence)
