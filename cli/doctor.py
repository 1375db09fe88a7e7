"""`cellblock doctor`: what is wrong with this installation, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.checks import CHECKS, Finding, Level
from cli.exit_codes import ExitCode
from cli.options import Json
from cli.show import print_json
from config import InvalidSetting, load_settings
from sandbox import CellblockError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["doctor"]

_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.PROBLEM: ("✗", "red")}


def doctor(
    only: Annotated[
        list[str] | None, typer.Argument(metavar="CHECK…", help=f"Some of: {', '.join(CHECKS)}.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine the settings, the engine, the images and Redis; say for each finding what mends it.

    Exit code 0 when nothing stands in the way of a job, else 125.
    """
    names = only or _applicable()
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise typer.BadParameter(f"there is no check {unknown[0]!r}", param_hint="CHECK…")
    console = Console(highlight=False, soft_wrap=True)
    findings = []
    for name in names:
        for finding in _examine(name):
            findings.append((name, finding))
            if not as_json:
                _print(console, name, finding)
    if as_json:
        print_json(
            [
                {"check": name, "level": str(f.level), "message": f.message, "mend": f.mend}
                for name, f in findings
            ]
        )
    if any(finding.level is Level.PROBLEM for _, finding in findings):
        raise typer.Exit(ExitCode.SANDBOX_FAILED)


def _applicable() -> list[str]:
    try:
        enable_docker = load_settings().enable_docker
    except InvalidSetting:
        return ["settings", "names"]
    return [name for name in CHECKS if enable_docker or name not in ("engine", "images")]


def _examine(name: str) -> Iterator[Finding]:
    """A check that crashes is itself a finding."""
    try:
        yield from CHECKS[name]()
    except (CellblockError, InvalidSetting) as error:
        message, _, mend = str(error).partition(" Try: ")
        yield Finding(Level.PROBLEM, message, mend)
    except Exception as error:  # noqa: BLE001
        yield Finding(Level.PROBLEM, f"the check itself failed: {type(error).__name__}: {error}", "report it")


def _print(console: Console, name: str, finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    console.print(Text.assemble((f"{mark} ", colour), (f"{name:9}", "bold"), finding.message))
    if finding.mend:
        console.print(Text.assemble(f"{'':11}", ("Try: ", "bold"), finding.mend))
