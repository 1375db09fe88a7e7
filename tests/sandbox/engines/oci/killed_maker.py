"""A program that makes a cell and kills itself just before the named step."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from config import load_catalogue, load_settings
from sandbox.engines.engine import CellSpec, new_name
from sandbox.engines.oci import engine, runtime
from sandbox.engines.oci.ids import IdRanges
from sandbox.engines.oci.runtime import OciRuntime
from sandbox.labels import new_labels
from sandbox.limits import warm_limits


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(call: str) -> None:
    settings, bash = load_settings(), load_catalogue()["bash"]
    limits = warm_limits(bash, settings)
    labels = new_labels(owner=settings.owner, runtime="bash", state="job", deadline=4e9, limits=limits.text)
    made = engine.OciEngine(settings)
    made.list()
    places: dict[str, Any] = {
        "mkdir": Path,
        "take": IdRanges,
        # The labels have been written at this step, but the bundle has not.
        "write_small": runtime,
        "start": OciRuntime,
        "OpenCell": engine,
    }
    setattr(places[call], call, die)
    made.make(CellSpec(new_name(), bash, limits, labels))


if __name__ == "__main__":
    main(sys.argv[1])
