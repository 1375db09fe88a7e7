"""Runs the tests in selection.txt, or the given ones, in gVisor: with Docker Engine, and with no daemon.

What can't pass there is listed in excluded.txt, with the reasons.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.debian13.shell import ROOT, CannotRun, command
from tests.gvisor.engine import running_engine

_IMAGES = [f"cellblock/{runtime}:local" for runtime in ("bash", "python", "cpp")]
_HERE = Path(__file__).parent
# Everything takes longer there.
_ENVIRONMENT = {"TEST_OCI_RUNTIME": "runsc", "PATIENCE": os.environ.get("PATIENCE", "2")}


def main() -> int:
    """Run the tests. Returns pytest's exit code, or 125 if no tests ran."""
    # SIGTERM becomes an exception, so that the engine is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ |= _ENVIRONMENT
    try:
        command("runsc", "--version")
        words = sys.argv[1:] or _selection()
        # The name is short, because the path of a socket in it has at most 107 characters.
        with (
            tempfile.TemporaryDirectory(prefix="gv-") as scratch,
            running_engine(Path(scratch), _IMAGES) as url,
        ):
            return _run(words, DOCKER_HOST=url)
    except CannotRun as error:
        print(f"cellblock: {error}", file=sys.stderr)
        return 125


def _run(words: list[str], **environment: str) -> int:
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *words]
    return subprocess.run(pytest, cwd=ROOT, env=os.environ | environment, check=False).returncode


def _selection() -> list[str]:
    """The tests in selection.txt without those in excluded.txt, each of which must exist."""
    selected = (_HERE / "selection.txt").read_text().splitlines()
    lines = (_HERE / "excluded.txt").read_text().splitlines()
    excluded = [line for line in lines if line and not line.startswith("#")]
    found = command(sys.executable, "-m", "pytest", "--collect-only", "-q", *selected)
    if missing := [name for name in excluded if name not in found]:
        raise CannotRun(f"excluded.txt names tests that do not exist: {', '.join(missing)}")
    return [*selected, *(f"--deselect={name}" for name in excluded)]


if __name__ == "__main__":
    sys.exit(main())
