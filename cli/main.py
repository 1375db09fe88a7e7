"""Puts the commands together, and turns every expected error into one sentence and an exit code."""

from __future__ import annotations

import sys

import typer
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from rich.console import Console

from cli import cancel, doctor, health, images, live, local, ps, reap, remote, worker
from cli.exit_codes import ExitCode
from cli.redis_errors import explain_redis
from config import InvalidSetting
from sandbox import CellblockError, InvalidJob

__all__ = ["app", "main"]

app = typer.Typer(
    name="cellblock",
    help="Run commands that nobody trusts in single-use, hardened containers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", context_settings={"ignore_unknown_options": False})(local.run)
app.command("submit")(remote.submit)
app.command("result")(remote.result)
app.command("cancel")(cancel.cancel)
app.command("logs")(live.logs)
app.command("ps")(ps.ps)
app.command("worker", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    worker.worker
)
app.command("flower", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    worker.flower
)
app.command("doctor")(doctor.doctor)
app.command("reap")(reap.reap)
app.command("health")(health.health)
app.add_typer(images.app, name="images")


def main() -> None:
    """The entry point of the `cellblock` script."""
    try:
        app()
    except (InvalidSetting, InvalidJob) as error:
        _fail(str(error), ExitCode.USAGE)
    except CellblockError as error:
        _fail(str(error), ExitCode.SANDBOX_FAILED)
    except (OperationalError, RedisError) as error:
        _fail(explain_redis(error), ExitCode.SANDBOX_FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _fail(message: str, code: ExitCode) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"cellblock: {message}", markup=False)
    sys.exit(code)
