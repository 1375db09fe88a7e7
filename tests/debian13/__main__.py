"""Makes the machine's disks, starts it, and runs the given tests in it, or the ones of a selection."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.debian13 import disks, machine
from tests.debian13.shell import CannotRun, command

_IMAGES = [f"cellblock/{runtime}:local" for runtime in ("bash", "python", "cpp")]
_HERE = Path(__file__).parent
#: For each value of ENGINE, what runs if no tests are named.
_SELECTIONS = {
    "docker": "selection.txt",
    "rootless": "selection.txt",
    "oci": "oci.txt",
    "oci-user": "oci-user.txt",
}


def main() -> int:
    """Run the tests and print each step's time. Returns pytest's exit code, or 125 if no tests ran."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"· {what} ({time.monotonic() - began:.0f} s)", file=sys.stderr)

    # SIGTERM becomes an exception, so that the machine is stopped and the cargo disk is deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    engine = os.environ.get("ENGINE") or "docker"
    if engine not in _SELECTIONS:
        print(f"cellblock: ENGINE is one of {', '.join(_SELECTIONS)}", file=sys.stderr)
        return 2
    tests = sys.argv[1:] or (_HERE / _SELECTIONS[engine]).read_text().splitlines()
    try:
        command(sys.executable, "-m", "pytest", "--collect-only", "-q", *tests)
        system = disks.system()
        say("the system's disk is there")
        with tempfile.TemporaryDirectory(prefix="cellblock-debian13-") as scratch:
            cargo = disks.cargo(Path(scratch), _IMAGES, engine, tests)
            say("the cargo is there; starting the machine, which takes its time")
            code = machine.run(system, cargo, Path(scratch) / "console.log")
        say("the machine is off")
    except CannotRun as error:
        print(f"cellblock: {error}", file=sys.stderr)
        return 125
    return code


if __name__ == "__main__":
    sys.exit(main())
