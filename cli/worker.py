"""`cellblock worker` and `flower`: Celery's own, with our settings and checks in front."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checks import queue, require_broker, require_engine
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
    # Into the environment, where everything that belongs to the worker looks.
    os.environ.update({name: str(value) for name, value in overrides.items() if value is not None})
    settings = load_settings()
    check_catalogue(load_catalogue(settings.runtimes), settings)
    require_broker(settings)
    _warn_of_redis()
    if settings.enable_docker:
        require_engine(settings)
    from tasks import app

    with _pulling(settings):
        app.worker_main([*_quietly(settings), "worker", *_options(settings), *context.args])


def _warn_of_redis() -> None:
    """Have the worker's log say what a full or a restarted Redis would lose, before it does."""
    from celery import signals

    found = [one for one in (*queue.server(), *queue.persistence(), *queue.visibility()) if one.mend]

    def warn(**_: object) -> None:
        for finding in found:
            _log.warning("%s. Try: %s", finding.message, finding.mend)

    signals.celeryd_after_setup.connect(warn, weak=False)


def flower(context: typer.Context) -> None:
    """Start Flower, the web page that shows what runs. Further options go to Flower itself.

    It asks for the user and password in CELLBLOCK_FLOWER_BASIC_AUTH ("user:password") and does not start
    without them: whoever reaches an open Flower can run commands.
    """
    settings = load_settings()
    if settings.flower_basic_auth is None:
        raise InvalidSetting(
            "CELLBLOCK_FLOWER_BASIC_AUTH is not set: give user:password; Flower stays closed."
        )
    require_broker(settings)
    from tasks import app

    # By the environment, because arguments can be read by every user of the host.
    for name, value in _FLOWER.items():
        os.environ.setdefault(name, value)
    os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.get_secret_value()
    app.start(["flower", *context.args])


def _quietly(settings: Settings) -> list[str]:
    """Celery's banner is no JSON."""
    return ["--quiet"] if settings.log_format == "json" else []


def _options(settings: Settings) -> list[str]:
    return [f"--loglevel={settings.log_level}", *_pool_size(settings)]


# Arguments and results, which hold no contents of a job; and as many jobs as some 100 MB of memory hold.
_FLOWER = {
    "FLOWER_TASKS_COLUMNS": "name,uuid,state,args,result,received,runtime,worker",
    "FLOWER_MAX_TASKS": "10000",
}


def _pool_size(settings: Settings) -> list[str]:
    if settings.autoscale:
        return [f"--autoscale={settings.autoscale}"]
    return [f"--concurrency={settings.concurrency}"] if settings.concurrency else []


@contextmanager
def _pulling(settings: Settings) -> Iterator[None]:
    """Fetch missing images beside the worker, in a process of its own: its pool is made by forking."""
    if not settings.enable_docker or settings.pull == "never":
        yield
        return
    command = [sys.executable, "-m", "cli", "images", "pull", "--quiet"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
