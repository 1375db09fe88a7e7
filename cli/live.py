"""`cellblock logs`, and what `submit --follow` shows: a job's output while it runs."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.answer import read_answer
from cli.checks.requirements import require_broker
from cli.exit_codes import ExitCode
from cli.finish import write_outputs
from cli.outputs import STREAMS, Outputs
from cli.show import note, print_line
from cli.terminal import printable
from config import format_bytes, load_settings

if TYPE_CHECKING:
    from tasks.live import LiveEntry

__all__ = ["logs", "show_live"]

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
# The form of an entry's id in Redis: milliseconds, and a number within the same millisecond.
_ENTRY = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")


def _entry_id(text: str) -> str:
    if not _ENTRY.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no id of an entry, such as 1700000000000-0")
    return text


def logs(
    task_id: options.TaskId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    after: Annotated[
        str,
        typer.Option(
            metavar="ENTRY", help="Begin after this entry; --json shows the ids.", callback=_entry_id
        ),
    ] = "0",
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="Show when each line was written.")
    ] = False,
    raw: options.Raw = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each entry as a line of JSON.")] = False,
) -> None:
    """Show what a job has written, while it runs or shortly after.

    If the job has no live output, or it has expired, the outputs in the job's result are shown. Ctrl-C ends
    this command and not the job.

    Example: cellblock logs -f ID
    """
    require_broker(load_settings())
    from tasks.live import follow as follow_job
    from tasks.live import held_entries
    from tasks.results.reader import look_up

    if follow and not held_entries(task_id) and look_up(task_id) is None:
        note(
            f"nothing of {task_id} yet: it is queued, has no live output, or is not known. See: cellblock ps"
        )
    printer = _Printer(timestamps=timestamps, raw=raw, as_json=as_json)
    entries = follow_job(task_id, after=after) if follow else held_entries(task_id, after=after)
    for entry in entries:
        printer.show(entry)
    printer.end()
    if not printer.shown and after == "0":
        _show_result(task_id, raw=raw, as_json=as_json)


def show_live(task_id: str, *, raw: bool, as_json: bool) -> bool:
    """Show what a job writes until it is over. Returns whether it has live output at all."""
    from tasks.live import follow as follow_job

    printer = _Printer(timestamps=False, raw=raw, as_json=as_json)
    for entry in follow_job(task_id):
        printer.show(entry)
    printer.end()
    return printer.shown


def _show_result(task_id: str, *, raw: bool, as_json: bool) -> None:
    """Show the outputs in the result of a job that has no live output."""
    from tasks.results.reader import look_up

    stored = look_up(task_id)
    if stored is None or stored.failure or not stored.is_ready:
        note(f"nothing is held of {task_id}, which is queued, has no live output, or is not known")
        note(f"Try: cellblock ps, or cellblock result --wait {task_id}")
        raise typer.Exit(ExitCode.SANDBOX_FAILED)
    answer = read_answer(stored.result)
    if not as_json:
        write_outputs(answer, raw=raw)
        return
    for name in STREAMS:
        print_line({"kind": name, "text": getattr(answer, name)})


class _Printer:
    """Writes entries: the job's outputs to our own outputs, everything else as a note."""

    def __init__(self, *, timestamps: bool, raw: bool, as_json: bool) -> None:
        self.shown = False
        self._outputs = Outputs(raw=raw)
        self._timestamps = timestamps
        self._as_json = as_json
        self._line_starts = dict.fromkeys(STREAMS, True)
        # A piece may end inside a character.
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in STREAMS}

    def show(self, entry: LiveEntry) -> None:
        """Show the entry at once."""
        self.shown = self.shown or entry.kind in ("start", *STREAMS)
        if self._as_json:
            print_line(self._fields(entry))
            return
        if entry.skipped_bytes:
            note(f"{format_bytes(entry.skipped_bytes)} of {entry.kind} are left out here")
        if entry.kind in STREAMS:
            self._outputs.write(entry.kind, self._stamped(entry) if self._timestamps else entry.data)
        elif entry.kind == "start" and entry.data != b"1":
            note(f"attempt {printable(entry.data.decode(errors='replace'), 20)} starts here")

    def end(self) -> None:
        """There are no more entries: show what was held back."""
        if not self._as_json:
            self._outputs.end()

    def _fields(self, entry: LiveEntry) -> dict[str, Any]:
        decoder = self._decoders.get(entry.kind)
        if decoder and entry.skipped_bytes:
            decoder.reset()
        text = decoder.decode(entry.data) if decoder else entry.data.decode(errors="replace")
        known = {"id": entry.id, "kind": entry.kind, "time": entry.time}
        run = {} if entry.run is None else {"run": entry.run}
        return known | {"text": text, "skipped_bytes": entry.skipped_bytes} | run

    def _stamped(self, entry: LiveEntry) -> bytes:
        """The data with the time of its first bytes before each line, as Docker shows it."""
        at = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds")
        stamp = at.replace("+00:00", "Z ").encode()
        lines = _LINE.findall(entry.data)
        marked = [
            b"" if index == 0 and not self._line_starts[entry.kind] else stamp for index in range(len(lines))
        ]
        self._line_starts[entry.kind] = entry.data.endswith(b"\n")
        return b"".join(mark + line for mark, line in zip(marked, lines, strict=True))
