"""The keeper: a process beside a worker that holds the warm pool and hands cells to the worker's processes.

    python -m sandbox.warm.keeper SOCKET WORKER

It serves claims on the Unix socket until its standard input ends, which is when the worker is gone, however
it went. A cell changes hands as a file descriptor: the connection to it, already attached.
"""

from __future__ import annotations

import json
import logging
import selectors
import signal
import socket
import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from config import load_settings
from sandbox.warm.pool import WarmPool

if TYPE_CHECKING:
    from sandbox.warm.claim import ClaimPool

__all__ = ["main", "serve"]

_REQUEST_BYTES = 256


def main(path: str, worker: str) -> None:
    """Hold a pool and serve claims on it until standard input ends."""
    logging.basicConfig(format="[%(asctime)s: %(levelname)s/Keeper] %(message)s", level=logging.INFO)
    # The terminal's Ctrl-C is for the worker, which then lets go of the keeper.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        with closing(WarmPool(load_settings(), worker)) as pool:
            serve(listener, pool)


def serve(listener: socket.socket, pool: ClaimPool, stop: int = 0) -> None:
    """Answer claims on `listener` until the file descriptor `stop` becomes readable."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == stop:
                    return
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not _answer(key.fileobj, pool):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def _answer(claimant: socket.socket, pool: ClaimPool) -> bool:
    """Hand over a cell, or nothing; False when the claimant has gone."""
    try:
        request = claimant.recv(_REQUEST_BYTES)
        if not request:
            return False
        cell = pool.claim(request.decode())
        if cell is None:
            claimant.send(b"{}")
        else:
            with cell.connection:
                socket.send_fds(
                    claimant, [json.dumps(asdict(cell.info)).encode()], [cell.connection.fileno()]
                )
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
