"""Puts the commands together, and turns every expected error into one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from click import ClickException
from typer.core import TyperCommand

from cli.exit_codes import ExitCode
from cli.show import note

__all__ = ["COMMANDS", "command_line", "main"]

#: Every command, and the module that has it.
COMMANDS = {
    "run": "local",
    "submit": "remote",
    "result": "remote",
    "cancel": "cancel",
    "logs": "live",
    "ps": "ps",
    "worker": "worker",
    "api": "api",
    "mcp": "mcp",
    "flower": "worker",
    "doctor": "doctor",
    "reap": "reap",
    "health": "health",
    "guard": "guard",
    "images": "images",
    "blob": "blob",
}
# Options that these commands do not know go to Celery.
_PASSING = {"allow_extra_args": True, "ignore_unknown_options": True}
_CONTEXTS = {"worker": _PASSING, "flower": _PASSING}


def command_line(*names: str) -> typer.Typer:
    """The `cellblock` command with only these commands. What other commands need is not imported."""
    app = typer.Typer(
        name="cellblock",
        help="Run untrusted commands in single-use, hardened containers.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        callback=_root,
    )
    for name in names:
        module = import_module(f"cli.{COMMANDS[name]}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            kind = _JobCommand if name in ("run", "submit") else None
            app.command(name, cls=kind, context_settings=_CONTEXTS.get(name))(getattr(module, name))
    return app


def _show_version(asked: bool) -> None:  # noqa: FBT001  typer's own
    if asked:
        typer.echo(f"cellblock {metadata.version('cellblock')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit."),
    ] = False,
) -> None:
    """What all commands share."""


class _JobCommand(TyperCommand):
    """A command that takes a job's own command, whose options must not be taken for ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  typer's own
        given = list(args)
        try:
            parsed: list[str] = super().parse_args(ctx, args)
        except Exception as error:
            # Typer has a copy of click of its own, whose classes are private.
            wrong: Any = error
            if hasattr(error, "option_name") and "--" not in given:
                wrong.message += f". Try: cellblock {self.name} [OPTIONS] -- COMMAND …"
            elif hasattr(error, "message"):
                # Typer also says how it tried to read a number.
                says = wrong.message.partition(", unable to")[0]
                wrong.message = says.replace("Input should be", "it must be", 1)
            raise
        return parsed


def main() -> None:
    """The entry point of the `cellblock` script."""
    try:
        command_line(*_wanted())()
    except ClickException as error:
        # Raised by Celery's or Flower's own command, which gets the options that are not ours.
        _fail(error.format_message(), ExitCode.USAGE)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        said = _expected(error)
        if said is None:
            raise
        _fail(*said)


def _wanted() -> list[str]:
    """The command that is called. All commands, for a list, a completion or an unknown word."""
    called = sys.argv[1:2]
    is_one = bool(called) and called[0] in COMMANDS and "_CELLBLOCK_COMPLETE" not in os.environ
    return called if is_one else list(COMMANDS)


def _expected(error: Exception) -> tuple[str, ExitCode] | None:
    """The sentence and the exit code of an error that has both. Most calls raise none and need no imports."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from cli.answer import UnreadableResult
    from config import InvalidSetting
    from sandbox import CellblockError, InvalidJob
    from tasks.redis_errors import broker_sentence

    match error:
        case InvalidSetting() | InvalidJob():
            return str(error), ExitCode.USAGE
        case CellblockError() | UnreadableResult():
            return str(error), ExitCode.SANDBOX_FAILED
        case OperationalError() | RedisError():
            return broker_sentence(error), ExitCode.SANDBOX_FAILED
    return None


def _fail(message: str, code: ExitCode) -> None:
    note(message)
    sys.exit(code)
