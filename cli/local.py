"""`cellblock run`: runs a job at once, with no broker."""

from __future__ import annotations

import shlex
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.answer import read_answer
from cli.finish import exit_of, finish
from cli.outputs import Outputs
from cli.show import print_json, say
from config import load_settings
from config.runtimes import BASH
from sandbox import Job, Observer, Sandbox
from sandbox.cell import CellInfo
from sandbox.events import STDOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config import Settings
    from sandbox.blobs import BlobStore

__all__ = ["run"]


@options.takes_a_job
def run(
    request: dict[str, Any],
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say which runtime and commands were chosen, and why; run nothing."),
    ] = False,
    raw: options.Raw = False,
    as_json: options.Json = False,
) -> None:
    """Run a command in a cell at once, with no broker and no worker.

    Exit codes: the command's own; 124 timed out; 125 the sandbox failed; 137 killed; 2 usage.

    Example: cellblock run --runtime python -- python -c 'print(6*7)'
    """
    # SIGTERM exits as Ctrl-C does, so that the cell is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A single job needs no warm cells.
    with Sandbox(load_settings(warm="0")) as sandbox:
        job = sandbox.parse(**request)
        if explain:
            _explain(job, as_json=as_json)
            return
        screen = None if as_json else _Screen(job, raw=raw)
        with _blobs_for(job, sandbox.settings) as blobs:
            value = sandbox.run_job(job, observer=screen, blobs=blobs).to_dict()
    answer = read_answer(value)
    if screen is None:
        print_json(value)
        raise typer.Exit(exit_of(answer))
    screen.end()
    finish(answer, raw=raw, shown_live=screen.shown)


@contextmanager
def _blobs_for(job: Job, settings: Settings) -> Iterator[BlobStore | None]:
    """The blob store, if the job needs one: usually it is in Redis, which other jobs do without."""
    if not job.uses_blobs:
        yield None
        return
    from tasks.blobs import open_blobs

    with open_blobs(settings) as store:
        yield store


class _Screen(Observer):
    """Shows the command's output at once, and a compiler's output only at the end, if it fails."""

    def __init__(self, job: Job, *, raw: bool) -> None:
        self.shown = False
        self._outputs = Outputs(raw=raw)
        self._cells_before = 1 if job.compile else 0

    def placed(self, info: CellInfo) -> None:
        """Show the output of the last cell, which is the command's own."""
        self.shown = not self._cells_before
        self._cells_before -= 1

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        """Show the output at once. That of several runs is in their results."""
        if self.shown and run is None:
            self._outputs.write("stdout" if stream == STDOUT else "stderr", data)

    def end(self) -> None:
        """The job is over: show what was held back."""
        self._outputs.end()


def _explain(job: Job, *, as_json: bool) -> None:
    chosen = {
        "runtime": job.runtime.name,
        "because": job.detected,
        "entry": job.entry,
        "compile": _shown(job.compile.argv) if job.compile else None,
        "run": _shown(job.argv),
    }
    if as_json:
        print_json(chosen)
    else:
        for what, value in chosen.items():
            if value:
                say(f"{what + ':':9}{value}")


def _shown(argv: Sequence[str]) -> str:
    return shlex.join("bash" if word == BASH else word for word in argv)
