"""Turns the blocks of a page into programs that fail if the page is wrong."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Step", "checked_python", "prints", "session", "steps"]

_MARK = "@@ step"


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a console block, and the output that the page shows. `…` stands for any text."""

    command: str
    output: str


def steps(console: str) -> Iterator[Step]:
    """The commands after `$ ` with their continuation lines after `> `, each with the output below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, *rest = part.splitlines()
        while rest and rest[0].startswith("> "):
            command += "\n" + rest.pop(0)[2:]
        yield Step(command, "\n".join(rest))


def session(commands: Iterable[Step]) -> str:
    """A shell script that runs all commands and prints a mark before each."""
    lines = ["exec 2>&1"]
    for number, step in enumerate(commands):
        lines += [f"printf '\\n{_MARK} %d\\n' {number}", step.command]
    return "\n".join(lines) + "\n"


def prints(transcript: str) -> list[str]:
    """The output of each command of a session."""
    return [part.strip("\n") for part in re.split(rf"^{_MARK} \d+\n", transcript, flags=re.MULTILINE)[1:]]


def checked_python(text: str) -> str:
    """Add checks to the code: an expression with a literal in a comment behind it must have that value."""
    notes = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Expr) and (value := _literal(notes.get(node.end_lineno or 0))):
            told = ast.unparse(node.value)
            lines[node.lineno - 1 : node.end_lineno] = [f"_same({told!r}, {told}, {value})"] + [""] * (
                (node.end_lineno or node.lineno) - node.lineno
            )
    return _SAME + "\n".join(lines) + "\n"


_SAME = """
def _same(told, found, expected):
    assert found == expected, f"{told} is {found!r}, and not {expected!r}"
"""


def _literal(note: str | None) -> str | None:
    try:
        return repr(ast.literal_eval(note)) if note else None
    except (ValueError, SyntaxError):
        return None
