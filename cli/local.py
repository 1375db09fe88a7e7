"""`cellblock run`: here and now, with no broker."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import Annotated, Any

import typer

from cli import options
from cli.show import finish, print_json
from config import load_settings
from sandbox import Job, Sandbox

__all__ = ["run"]

Explain = Annotated[
    bool, typer.Option("--explain", help="Say which runtime and commands were chosen, and why; run nothing.")
]


@options.takes_a_job
def run(
    request: dict[str, Any],
    explain: Explain = False,
    as_json: options.Json = False,
) -> None:
    """Run a command in a cell here and now, with no broker and no worker.

    Exit codes: the command's own; 124 timed out; 125 the sandbox failed; 137 killed; 2 usage.

    Example: cellblock run --runtime python -- python -c 'print(6*7)'
    """
    # One job has no use for cells that wait for the next.
    # As for Ctrl-C: the cell is taken away on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with Sandbox(load_settings(warm="0")) as sandbox:
        if explain:
            _explain(sandbox.parse(**request), as_json=as_json)
            return
        result = sandbox.run(**request).to_dict()
    finish(result, as_json=as_json)


def _explain(job: Job, *, as_json: bool) -> None:
    chosen = {
        "runtime": job.runtime.name,
        "because": job.detected,
        "compile": shlex.join(job.compile.argv) if job.compile else None,
        "run": shlex.join(job.argv),
    }
    if as_json:
        print_json(chosen)
    else:
        for what, value in chosen.items():
            if value:
                typer.echo(f"{what + ':':9}{value}")
