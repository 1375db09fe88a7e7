"""Run one of the host's package tools with a time limit, and turn its error into one sentence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.errors import ImageBuildFailed

__all__ = ["output_of"]


def output_of(argv: Sequence[str], *, timeout: float, advice: str, folder: Path | None = None) -> str:
    """The standard output of the command; `timeout` in seconds.

    Raises ImageBuildFailed, with `advice` at the end, if the command is missing, fails or takes too long.
    """
    tool = argv[0]
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=True,
        )
    except FileNotFoundError as error:
        raise ImageBuildFailed(f"{tool} is not on this machine; {advice}.") from error
    except subprocess.TimeoutExpired as error:
        raise ImageBuildFailed(f"{tool} did not finish within {timeout:g} s; {advice}.") from error
    except subprocess.CalledProcessError as error:
        raise ImageBuildFailed(f"{tool} failed ({_complaint(error.stderr)}); {advice}.") from error
    return done.stdout


def _complaint(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:", "npm error"))]
    return (errors or lines or ["it said nothing"])[0].removeprefix("E: ")
