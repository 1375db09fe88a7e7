"""Shows a result: the job's outputs as they are, everything else on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

from cli.exit_codes import ExitCode, exit_code_of
from cli.outputs import STREAMS, Outputs
from cli.run_table import show_runs
from cli.saving import UnsafeName, save
from cli.show import note
from cli.terminal import printable
from config import format_bytes

if TYPE_CHECKING:
    from cli.answer import Answer

__all__ = ["exit_of", "finish", "write_outputs"]

_REMARKS = {
    "timed_out": "timed out",
    "out_of_memory": "killed: out of memory",
    "output_limit": "stopped: wrote too much",
    "cancelled": "cancelled",
}
_PATH = 300


def finish(answer: Answer, *, raw: bool = False, shown_live: bool = False) -> NoReturn:
    """Show a result, without outputs that have been `shown_live`, and exit with its exit code."""
    if not shown_live:
        write_outputs(answer, raw=raw)
    _remark(answer, shown_live=shown_live)
    _save_artifacts(answer)
    _remark_on_workspace(answer)
    if answer.runs:
        show_runs(answer.runs)
    raise typer.Exit(exit_of(answer))


def exit_of(answer: Answer) -> int:
    """The exit code for a result."""
    code = exit_code_of(answer.status, answer.exit_code)
    return ExitCode.WRONG_ANSWER if code == ExitCode.OK and answer.answered_wrongly else code


def write_outputs(answer: Answer, *, raw: bool) -> None:
    """Write both streams, in UTF-8."""
    outputs = Outputs(raw=raw)
    for name in STREAMS:
        outputs.write(name, getattr(answer, name).encode(), final=True)


def _remark(answer: Answer, *, shown_live: bool) -> None:
    if answer.limit == "cpu_time":
        note("timed out: used up its processor time")
    elif answer.status in _REMARKS:
        note(_REMARKS[answer.status])
    elif answer.status == "signaled":
        note(f"ended by {printable(answer.signal, 20)}")
    for name in STREAMS if not shown_live else ():
        _remark_on_stream(answer, name)
    if answer.engine == "host":
        note("ran on this host with no isolation (ENABLE_DOCKER=false)")


def _remark_on_stream(answer: Answer, name: str) -> None:
    text, written, cut = (getattr(answer, f"{name}{part}") for part in ("", "_bytes", "_truncated"))
    if cut:
        note(f"{name} is cut: kept the first and last of {format_bytes(written)}")
    if "\ufffd" in text and (cut or len(text.encode()) != written):
        note(f"{name} holds bytes that are no text: each is shown as \ufffd. Try: have it as an artifact")


def _remark_on_workspace(answer: Answer) -> None:
    if answer.workspace:
        note(f"kept the workspace as {answer.workspace}")
    elif answer.workspace_skipped:
        note(f"did not keep the workspace: {printable(answer.workspace_skipped, _PATH)}")


def _save_artifacts(answer: Answer) -> None:
    """Save artifacts in the current folder, and overwrite nothing: the job has chosen their names."""
    for path, artifact in answer.artifacts.items():
        shown = printable(path, _PATH)
        if artifact.ref:
            note(f"stored {shown} ({format_bytes(artifact.size)}) as {artifact.ref}")
            continue
        try:
            save(path, artifact.content)
        except UnsafeName as error:
            note(f"did not save {shown}: {error}")
        except (OSError, ValueError) as error:
            note(f"could not save {shown}: {getattr(error, 'strerror', None) or error}")
        else:
            note(f"saved {shown} ({format_bytes(artifact.size)})")
    for skipped in answer.artifacts_skipped:
        note(f"left {printable(skipped.path, _PATH)}: {printable(skipped.reason, _PATH)}")
    if answer.artifacts_unnamed:
        note(f"left {answer.artifacts_unnamed} more")
