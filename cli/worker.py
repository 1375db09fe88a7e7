"""`cellblock worker` and `flower`: Celery's own commands, with our settings and after our checks."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from celery import signals
from click import ClickException

from cli.checks import queue
from cli.checks.requirements import require_broker, require_engine, wait_for_broker
from cli.show import note
from config import InvalidSetting, load_catalogue, load_settings
from sandbox.limits import check_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings

__all__ = ["flower", "worker"]

_log = logging.getLogger("cellblock")


def worker(
    context: typer.Context,
    concurrency: Annotated[int | None, typer.Option(help="Jobs at a time.")] = None,
    autoscale: Annotated[
        str | None, typer.Option(help="The most and the fewest jobs at a time: 8,2.")
    ] = None,
) -> None:
    """Start a worker. Further options go to Celery's own worker command.

    Example: cellblock worker --autoscale 8,2
    """
    overrides = {"CELLBLOCK_CONCURRENCY": concurrency, "CELLBLOCK_AUTOSCALE": autoscale}
    # Every part of the worker reads its settings from the environment.
    os.environ.update({name: str(value) for name, value in overrides.items() if value is not None})
    settings = load_settings()
    check_catalogue(load_catalogue(settings.runtimes), settings)
    _check_pool(context.args, settings)
    wait_for_broker(settings)
    _warn_of_redis()
    if settings.isolates:
        require_engine(settings)
    told = _told_to_stop()
    with _pulling(settings):
        code = _celery_worker([*_options(settings), *context.args], quiet=settings.log_format == "json")
    if code and not told:
        note("the worker has ended, and nobody told it to. Try: read the last lines of its log")
    sys.exit(0 if told else code)


def _check_pool(arguments: list[str], settings: Settings) -> None:
    """Check the pool by its name, before Celery imports the pool's library, which may not be installed."""
    from tasks.pool.choice import check_pool

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-P", "--pool", default="prefork")
    parser.add_argument("--autoscale", default=settings.autoscale)
    asked, _ = parser.parse_known_args(arguments)
    check_pool(asked.pool, autoscale=bool(asked.autoscale))


def _told_to_stop() -> list[str]:
    """A list that is filled when the worker is told to stop. Its end is then no failure."""
    told: list[str] = []

    def hear(how: str, **_: object) -> None:
        told.append(how)

    signals.worker_shutting_down.connect(hear, weak=False)
    return told


def _celery_worker(arguments: list[str], *, quiet: bool) -> int:
    """Run Celery's own command. Returns its exit code. Unless `quiet`, it prints a banner, which is no JSON.

    It is called directly, because Celery's whole command line also imports Flower and a shell.

    Raises:
        click.ClickException: it does not know an option, or the value of an option.
    """
    from celery.bin.base import CLIContext
    from celery.bin.worker import worker as command

    from tasks import app

    context = CLIContext(app, no_color=False, workdir=None, quiet=quiet)
    return command.main(args=arguments, prog_name="celery worker", standalone_mode=False, obj=context) or 0


def _warn_of_redis() -> None:
    """At the worker's start, log what a Redis that is full or restarts would lose."""
    found = [one for one in (*queue.server(), *queue.persistence(), *queue.visibility()) if one.mend]

    def warn(**_: object) -> None:
        for finding in found:
            _log.warning("%s. Try: %s", finding.message, finding.mend)

    signals.celeryd_after_setup.connect(warn, weak=False)


def flower(context: typer.Context) -> None:
    """Start Flower, the web page that shows what runs. Further options go to Flower itself.

    It asks for the user and password in CELLBLOCK_FLOWER_BASIC_AUTH ("user:password") and does not start
    without them: anyone who reaches an open Flower can run commands.
    """
    settings = load_settings()
    if settings.flower_basic_auth is None:
        raise InvalidSetting(
            "CELLBLOCK_FLOWER_BASIC_AUTH is not set: give user:password; Flower stays closed."
        )
    require_broker(settings)
    # In the environment, because every user of the host can read arguments.
    for name, value in _FLOWER.items():
        os.environ.setdefault(name, value)
    os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.get_secret_value()
    from celery.bin.celery import celery

    from tasks import app

    # In each of its threads, Flower asks the current app for results.
    app.set_default()
    # Flower reads the names from queue objects, while Celery also accepts a mapping.
    app.conf.task_queues = list(app.amqp.queues.values())
    celery.params[0].default = app
    from tornado.options import Error

    try:
        code = celery.main(args=["flower", *context.args], prog_name="celery", standalone_mode=False)
    except Error as error:
        raise ClickException(f"{error}. Try: an option with =, such as --port=5555") from None
    sys.exit(code or 0)


# These columns hold no contents of a job. This number of jobs takes about 100 MB of memory.
_FLOWER = {
    "FLOWER_TASKS_COLUMNS": "name,uuid,state,args,result,received,runtime,worker",
    "FLOWER_MAX_TASKS": "10000",
}


def _options(settings: Settings) -> list[str]:
    size = {"autoscale": settings.autoscale} if settings.autoscale else {"concurrency": settings.concurrency}
    options = {"loglevel": settings.log_level} | size
    return [f"--{name}={value}" for name, value in options.items() if value]


@contextmanager
def _pulling(settings: Settings) -> Iterator[None]:
    """Pull missing images while the worker runs, in a separate process, because the worker forks."""
    if not settings.isolates or settings.pull == "never":
        yield
        return
    command = [sys.executable, "-m", "cli", "images", "pull", "--quiet"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
