"""The keeper: a process beside a worker that reaps, holds the warm pool, and hands its cells to the worker.

    python -m sandbox.warm.keeper SOCKET WORKER [COLLECTOR]

It serves claims on the Unix socket SOCKET until its standard input ends. That happens when the worker ends,
in whatever way. A cell is handed over as file descriptors: its streams. COLLECTOR is the
number of the file descriptor that the keeper reports its measurements to.
"""

from __future__ import annotations

import json
import logging
import selectors
import shutil
import signal
import socket
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from config import load_settings
from sandbox.engines import open_engine
from sandbox.errors import SandboxUnavailable
from sandbox.expiry import Expiry
from sandbox.log_lines import log_formatter
from sandbox.meter import count_error, report_to
from sandbox.outage import level_of
from sandbox.reaper import reap
from sandbox.result import plain_fields
from sandbox.threads import end_with_threads, start_thread
from sandbox.warm.pool import WarmPool
from sandbox.warm.sight import SIGHT, look_again_and_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings
    from sandbox.engines.engine import OpenCell

__all__ = ["main", "serve"]

_log = logging.getLogger("cellblock.keeper")

_REQUEST_BYTES = 256


def main(path: str, worker: str, collector: str | None = None) -> None:
    """Hold a pool, serve claims on it and reap, until standard input ends."""
    settings = load_settings()
    _log_like(settings, worker)
    if collector:
        report_to(socket.socket(fileno=int(collector)))
    # Ctrl-C in a terminal is meant for the worker, which then closes the keeper's standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A service manager may send SIGTERM to every process at once. The exit closes the pool first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # The worker starts a dead keeper again, but does not notice a dead thread in it.
    end_with_threads()
    start_thread(_keep_reaping, settings, name="cellblock-reaper")
    start_thread(look_again_and_again, settings, Path(path).with_name(SIGHT), name="cellblock-engine")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        with closing(WarmPool(settings, worker)) as pool:
            serve(listener, pool.take, pool.note_claims)
    # Removes what the worker's processes left if they were killed.
    _reap(settings, leaving=True)
    # A worker that was killed can't remove it.
    _remove_folder(Path(path).parent)


def _remove_folder(folder: Path) -> None:
    """Rename the folder first: the thread that looks at the engine may write into it at any moment."""
    gone = folder.with_name(f"{folder.name}.gone")
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _log_like(settings: Settings, worker: str) -> None:
    """Log in the worker's format, because both write to the same log."""
    handler = logging.StreamHandler()
    handler.setFormatter(log_formatter(settings.log_format, worker=worker, process="Keeper"))
    logging.basicConfig(handlers=[handler], level=settings.log_level)


def _keep_reaping(settings: Settings) -> None:
    """Reap now, and then again after each `settings.engine_margin` seconds."""
    deadlines = Expiry(settings)
    while True:
        try:
            _reap(settings, deadlines)
        except Exception:  # noqa: BLE001  a reaper that has died would never be missed
            _log.exception("Reaping failed")
        time.sleep(settings.engine_margin)


def _reap(settings: Settings, deadlines: Expiry | None = None, *, leaving: bool = False) -> None:
    try:
        with closing(open_engine(settings)) as engine:
            reap(engine, settings, deadlines=deadlines, leaving=leaving)
    except SandboxUnavailable as error:
        _log.log(level_of(error), "Nothing can be reaped for now: %s", error)
        count_error("reaper", error)


def serve(
    listener: socket.socket,
    take: Callable[[str], OpenCell | None],
    note_claims: Callable[[], None],
    stop: int = 0,
) -> None:
    """Answer each claim on `listener` with what `take` gives, until the descriptor `stop` is readable.

    `note_claims` is called after the answers: a job waits for its cell, but not for what follows from that.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == stop:
                    return
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not _answer(key.fileobj, take):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
            note_claims()


def _answer(claimant: socket.socket, take: Callable[[str], OpenCell | None]) -> bool:
    """Hand over a cell, or reply that there is none; False when the claimant has gone."""
    try:
        request = claimant.recv(_REQUEST_BYTES)
        if not request:
            return False
        cell = take(request.decode())
        if cell is None:
            claimant.send(b"{}")
        else:
            _hand_over(claimant, cell)
    except OSError:
        return False
    return True


def _hand_over(claimant: socket.socket, cell: OpenCell) -> None:
    said = {"name": cell.name, "info": plain_fields(cell.info), "group": cell.group}
    reply = json.dumps(said).encode()
    try:
        socket.send_fds(claimant, [reply], [stream.fileno() for stream in cell.streams])
    finally:
        for stream in cell.streams:
            stream.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
