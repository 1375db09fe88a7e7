"""`cellblock doctor`: what is wrong with this installation, and the command that mends it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli.checks import blobs, engine, installation, queue, stock
from cli.checks import workers as workforce
from cli.checks.finding import Finding, Level, skipped
from cli.exit_codes import ExitCode
from cli.options import Json
from cli.show import print_json
from cli.terminal import printable
from config import InvalidSetting, load_settings
from config.quoting import quoted
from sandbox import CellblockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CHECKS", "NEEDS", "doctor"]

#: Each check by its name. Its docstring says what should be true. An error that it raises is a finding too.
CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": installation.settings,
    "names": installation.names,
    "engine": engine.engine,
    "socket": engine.socket,
    "images": stock.images,
    "disk": stock.disk,
    "leftovers": stock.leftovers,
    "redis": queue.server,
    "rights": queue.rights,
    "persistence": queue.persistence,
    "visibility": queue.visibility,
    "clock": queue.clock,
    "workers": workforce.workers,
    "consumers": workforce.consumers,
    "blobs": blobs.blobs,
    "budget": installation.budget,
}

#: For a check that needs a server: the check that says whether that server can be reached.
NEEDS = {
    **dict.fromkeys(("socket", "images", "disk", "leftovers"), "engine"),
    **dict.fromkeys(("rights", "persistence", "clock", "workers", "consumers"), "redis"),
}

_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.PROBLEM: ("✗", "red")} | {
    Level.SKIPPED: ("-", "dim")
}
# The slowest check takes some tens of milliseconds if nothing is wrong.
_SLOW_S = 1.0


@dataclass(frozen=True, slots=True)
class _Report:
    """What one check found, and how long it took."""

    check: str
    findings: list[Finding]
    took_s: float
    reached: bool = True

    @property
    def slow(self) -> bool:
        return self.took_s > _SLOW_S

    def rows(self) -> list[dict[str, object]]:
        return [
            {"check": self.check, **asdict(finding), "seconds": round(self.took_s, 3), "slow": self.slow}
            for finding in self.findings
        ]


def doctor(
    only: Annotated[
        list[str] | None, typer.Argument(metavar="CHECK…", help=f"Some of: {', '.join(CHECKS)}.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine the installation; say for each finding how to fix it.

    Looks at the settings, the engine, what is in it, and Redis, and changes nothing. Exit code 0 if nothing
    prevents a job from running, else 125. A check that takes more than a second is marked as slow.
    """
    names = only or _applicable()
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise typer.BadParameter(f"there is no check {quoted(unknown[0])}", param_hint="CHECK…")
    console = Console(highlight=False, soft_wrap=True)
    reports: list[_Report] = []
    for name in names:
        out_of_reach = {report.check for report in reports if not report.reached}
        reports.append(_examine(name, out_of_reach))
        if not as_json:
            _print(console, reports[-1])
    if as_json:
        print_json([row for report in reports for row in report.rows()])
    if any(finding.level is Level.PROBLEM for report in reports for finding in report.findings):
        raise typer.Exit(ExitCode.SANDBOX_FAILED)


def _applicable() -> list[str]:
    try:
        isolates = load_settings().isolates
    except InvalidSetting:
        return ["settings", "names"]
    return [name for name in CHECKS if isolates or "engine" not in (name, NEEDS.get(name))]


def _examine(name: str, out_of_reach: set[str]) -> _Report:
    """Run one check. A crash of the check is itself a finding."""
    if NEEDS.get(name) in out_of_reach:
        return _Report(name, [skipped(NEEDS[name])], 0.0)
    began, reached = time.monotonic(), True
    findings: list[Finding] = []
    try:
        findings += CHECKS[name]()
    except (CellblockError, InvalidSetting) as error:
        reached = False
        message, _, mend = str(error).partition(" Try: ")
        findings.append(Finding(Level.PROBLEM, message, mend))
    except Exception as error:  # noqa: BLE001
        says = f"the check itself failed: {type(error).__name__}: {error}"
        findings.append(Finding(Level.PROBLEM, says, "report it"))
    return _Report(name, findings, time.monotonic() - began, reached)


def _print(console: Console, report: _Report) -> None:
    for finding in report.findings:
        mark, colour = _MARKS[finding.level]
        console.print(
            Text.assemble((f"{mark} ", colour), (f"{report.check:12}", "bold"), printable(finding.message))
        )
        if finding.mend:
            console.print(Text.assemble(f"{'':14}", ("Try: ", "bold"), printable(finding.mend)))
    if report.slow:
        console.print(
            Text.assemble(f"{'':14}", ("slow: ", "yellow"), f"this check took {report.took_s:.1f} s")
        )
