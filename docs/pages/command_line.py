"""The page about the `cellblock` command: every command with its arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from cli.doctor import CHECKS
from cli.main import COMMANDS, command_line
from docs.pages.source import table

__all__ = ["command_line_page", "commands"]

_HEAD = """# The command line

Data goes to standard output, messages to standard error. `--json` prints data as JSON. Progress bars appear
only on a terminal, and `NO_COLOR` is honoured. [Exit codes](result.md#exit-codes-of-the-command-line) are
those of `docker run` and `timeout`. Settings come from [the environment](settings.md).
"""


def command_line_page() -> str:
    """A section for each command, with the text of its `--help`."""
    return _HEAD + "".join(_section(name, command) for name, command in commands())


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command by its whole name."""
    yield from _below("cellblock", get_command(command_line(*COMMANDS)))


def _below(name: str, command: object) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    if isinstance(command, typer.core.TyperGroup):
        for each, below in command.commands.items():
            yield from _below(f"{name} {each}", below)
    elif isinstance(command, typer.core.TyperCommand):
        yield name, command


def _section(name: str, command: typer.core.TyperCommand) -> str:
    says = _paragraphs(command.help or "")
    rows = [_row(parameter) for parameter in command.params]
    options = f"\n{table(('argument or option', 'meaning'), rows)}" if rows else ""
    checks = f"\n{_checks()}" if name == "cellblock doctor" else ""
    return f"\n## `{name}`\n\n{says}{options}{checks}"


def _paragraphs(text: str) -> str:
    """The paragraphs of a help text, with its examples as code."""
    shown = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        words = " ".join(paragraph.split())
        example = words.removeprefix("Example: ")
        shown.append(words if example == words else f"```sh\n{example}\n```")
    return "\n\n".join(shown) + "\n"


def _row(parameter: Any) -> tuple[str, str]:  # noqa: ANN401  of a copy of Click inside Typer
    if isinstance(parameter, typer.core.TyperArgument):
        return f"`{parameter.metavar or str(parameter.name).upper()}`", parameter.help or ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names, parameter.help or ""


def _checks() -> str:
    """A table of what each check of `doctor` looks at."""
    rows = [(f"`{name}`", " ".join((check.__doc__ or "").split())) for name, check in CHECKS.items()]
    return table(("check", "what it checks"), rows)
