"""Shows a result: the job's streams as they are, everything else on standard error."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cli.exit_codes import exit_code_of
from config import format_bytes

__all__ = ["finish", "note", "print_json", "print_line"]

_REMARKS = {
    "timed_out": "timed out",
    "out_of_memory": "killed: out of memory",
    "output_limit": "stopped: wrote too much",
    "cancelled": "cancelled",
}


def note(message: str) -> None:
    """A message to the person, apart from the data."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"cellblock: {message}", markup=False)


def print_json(data: object) -> None:
    """`data` as JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_line(data: object) -> None:
    """`data` as one line of JSON on standard output, where more lines come."""
    typer.echo(json.dumps(data, ensure_ascii=False))


def finish(result: Mapping[str, Any], *, as_json: bool, shown_live: bool = False) -> None:
    """Show a result, without outputs that have been `shown_live`, and leave with the exit code for it."""
    if as_json:
        print_json(result)
    else:
        if not shown_live:
            _write_outputs(result)
        _remark(result, shown_live=shown_live)
        _save_artifacts(result)
    raise typer.Exit(exit_code_of(result))


def _write_outputs(result: Mapping[str, Any]) -> None:
    """As bytes: what a job wrote need not fit the encoding of this terminal."""
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        stream.buffer.write(result[name].encode())
        stream.flush()


def _remark(result: Mapping[str, Any], *, shown_live: bool) -> None:
    if result["status"] in _REMARKS:
        note(_REMARKS[result["status"]])
    elif result["status"] == "signaled":
        note(f"ended by {result['signal']}")
    for stream in ("stdout", "stderr"):
        if result[f"{stream}_truncated"] and not shown_live:
            note(f"{stream} is cut: kept the first and last of {format_bytes(result[f'{stream}_bytes'])}")
    if result["engine"] == "host":
        note("ran on this host with no isolation (ENABLE_DOCKER=false)")


def _save_artifacts(result: Mapping[str, Any]) -> None:
    """Into the current folder, over nothing that is there: the job has chosen the names."""
    for path, artifact in result["artifacts"].items():
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with Path(path).open("xb") as file:
                file.write(base64.b64decode(artifact["base64"]))
        except OSError as error:
            note(f"could not save {path}: {error.strerror}")
        else:
            note(f"saved {path} ({format_bytes(artifact['size'])})")
    for skipped in result["artifacts_skipped"]:
        note(f"left {skipped['path']}: {skipped['reason']}")
