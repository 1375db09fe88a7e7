"""Writes the results: to the terminal, as JSON, as Markdown, as figures, and into the documentation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.machine import machine_sentence
from benchmarks.surroundings import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from benchmarks.finding import Finding

__all__ = ["publish", "save", "show"]

_PAGES = (ROOT / "README.md", ROOT / "docs" / "explanation" / "performance.md")
_FIGURES = ROOT / "docs" / "figures"


def show(console: Console, finding: Finding) -> None:
    """Print the result as a table."""
    table = Table(title=finding.title, box=None, title_justify="left", title_style="bold", expand=False)
    for number, name in enumerate(finding.header):
        table.add_column(
            name, justify="right" if number and len(finding.header) > 2 else "left", overflow="fold"
        )
    for row in finding.rows:
        table.add_row(*row)
    console.print(table)
    for note in finding.notes:
        console.print(note, style="dim")
    console.print()


def markdown(finding: Finding) -> str:
    """The result as a Markdown table."""
    lines = [
        f"| {' | '.join(finding.header)} |",
        f"|{'---|' * len(finding.header)}",
        *(f"| {' | '.join(_escape(cell) for cell in row)} |" for row in finding.rows),
    ]
    if finding.notes:
        lines += ["", *finding.notes]
    return "\n".join(lines)


def save(folder: Path, stem: str, about: dict[str, str | int | float], findings: Sequence[Finding]) -> None:
    """Write the numbers as JSON and the tables as Markdown to `folder`."""
    raw = {"machine": about, **{finding.name: finding.raw for finding in findings}}
    (folder / f"{stem}.json").write_text(json.dumps(raw, indent=2, ensure_ascii=False) + "\n")
    parts = [machine_sentence(about), *(f"## {f.title}\n\n{markdown(f)}" for f in findings)]
    (folder / f"{stem}.md").write_text("\n\n".join(parts) + "\n")


def publish(about: dict[str, str | int | float], findings: Sequence[Finding]) -> None:
    """Write the figures, and replace the tables between the markers in the pages."""
    _FIGURES.mkdir(parents=True, exist_ok=True)
    for finding in findings:
        for name, drawing in finding.figures.items():
            (_FIGURES / f"{name}.svg").write_text(drawing)
    texts = {finding.name: markdown(finding) for finding in findings} | {"machine": machine_sentence(about)}
    for page in _PAGES:
        text = page.read_text()
        for name, content in texts.items():
            text = _insert(text, name, content)
        page.write_text(text)


def _insert(text: str, name: str, content: str) -> str:
    mark = f"<!-- bench:{name} -->"
    between = re.compile(rf"{re.escape(mark)}.*?<!-- /bench -->", re.DOTALL)
    return between.sub(lambda _: f"{mark}\n{content}\n<!-- /bench -->", text)


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
