"""`cellblock health`: tells in a tenth of a second whether the worker beside it can take jobs.

It runs every few seconds in each container. So it imports only what it needs to read one small file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

__all__ = ["health", "main"]

_HEALTHY, _UNHEALTHY, _USAGE = 0, 1, 2

_STALE = {
    "loop": "the worker's loop has not turned, or the broker has been away,",
    "keeper": "the keeper, which reaps and holds the warm cells, has been gone",
}


def health() -> None:
    """Tell whether the worker beside this command can take jobs.

    For the probes of compose and Kubernetes. Exit code 0 if it can, 1 if not, with the reason on standard
    error. It only reads the file that CELLBLOCK_HEARTBEAT names, which the worker renews every two
    seconds. It does not ask the broker.
    """
    sys.exit(main())


def main() -> int:
    """The exit code: 0 for a worker that can take jobs, else 1."""
    name = os.environ.get("CELLBLOCK_HEARTBEAT")
    if not name:
        _say("CELLBLOCK_HEARTBEAT is not set: give this command and the worker the same path.")
        return _USAGE
    wrong = _trouble(Path(name))
    if wrong:
        _say(wrong)
    return _UNHEALTHY if wrong else _HEALTHY


def _trouble(path: Path) -> str | None:
    """Why the worker whose heartbeat is at `path` cannot take jobs, in one sentence; None if it can."""
    try:
        beat = json.loads(path.read_text())
    except OSError as error:
        return (
            f"there is no heartbeat at {path} ({error.strerror}): the worker has not started, or has ended."
        )
    if not _is_alive(int(beat["pid"])):
        return f"the worker (process {beat['pid']}) is gone."
    if beat.get("trouble"):
        return str(beat["trouble"])
    for sign, what in _STALE.items():
        age_s = time.monotonic() - beat[sign]
        if age_s > beat["bound_s"]:
            return f"{what} for {age_s:.0f} s, more than CELLBLOCK_HEARTBEAT_BOUND={beat['bound_s']:g}."
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _say(message: str) -> None:
    sys.stderr.write(f"cellblock: {message}\n")
