"""Run one of the host's package tools with a time limit, and turn its error into one sentence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import ImageBuildFailed

__all__ = ["output_of"]


def output_of(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    advice: str,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """The standard output of the command; `timeout` in seconds. `env` is its whole environment, if given.

    Raises ImageBuildFailed, with `advice` at the end, if the command is missing, fails or takes too long.
    """
    tool = Path(argv[0]).name
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C.UTF-8"} if env is None else env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=True,
        )
    except FileNotFoundError as error:
        raise ImageBuildFailed(f"{tool} is not on this machine; {advice}.") from error
    except OSError as error:
        raise ImageBuildFailed(f"{tool} cannot run here ({error.strerror}); {advice}.") from error
    except subprocess.TimeoutExpired as error:
        raise ImageBuildFailed(f"{tool} did not finish within {timeout:g} s; {advice}.") from error
    except subprocess.CalledProcessError as error:
        raise ImageBuildFailed(f"{tool} failed ({_complaint(error.stderr)}); {advice}.") from error
    return done.stdout


def _complaint(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # uv's last cause is the first one in time, and npm's second line says what its code means.
    causes = [line.removeprefix("cause: ") for line in reversed(lines) if line.startswith("cause: ")]
    errors = [
        line for line in lines if line.startswith(("E:", "ERROR:", "npm error")) and " code " not in line
    ]
    return (causes or errors or lines or ["it said nothing"])[0].removeprefix("E: ")
