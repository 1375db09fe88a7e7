"""Claims cells from the keeper of this worker."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.cell import CellInfo
from sandbox.engines.engine import OpenCell
from sandbox.warm.sight import SIGHT, read_sight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.engines.engine import Stream

__all__ = ["KeeperClient"]

_log = logging.getLogger("cellblock.warm")

_REPLY_BYTES = 4096
_MOST_STREAMS = 3
# A claim takes a fraction of a millisecond. A keeper that needs longer than this does not work any more.
_PATIENCE_S = 0.25


class KeeperClient:
    """One connection to the keeper, made when it is first needed. Without a keeper, a claim gives None.

    `adopt` makes the streams of a cell out of the descriptors that the keeper hands over.
    """

    def __init__(self, path: str, adopt: Callable[[Sequence[int]], tuple[Stream, ...]]) -> None:
        self._path = path
        self._adopt = adopt
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        # Whether a request was sent whose reply was not read.
        self._is_asked = False

    def ask(self, runtime: str) -> None:
        """Request a cell now: the next `claim`, which must be of this runtime, need not wait for it."""
        self._safely(partial(self._ask_anew, runtime))

    def asked(self) -> OpenCell | None:
        """The cell that was requested and not claimed, if there is one."""
        return self._safely(lambda: self._receive() if self._is_asked else None)

    def claim(self, runtime: str) -> OpenCell | None:
        """A waiting cell of the runtime, if there is one and the keeper is there to give it."""
        return self._safely(partial(self._ask, runtime))

    def wait_until_full(self, within_s: float) -> bool:
        """Always True: the keeper fills its shelves on its own, and is not asked."""
        return True

    def last_away(self) -> float:
        """When the engine last did not answer the keeper; 0 if it always has."""
        sight = read_sight(Path(self._path).with_name(SIGHT))
        return sight.last_away if sight else 0.0

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._hang_up()

    def _safely(self, step: Callable[[], OpenCell | None]) -> OpenCell | None:
        with self._lock:
            is_done = False
            try:
                opened = step()
                is_done = True
            except OSError as error:
                _log.warning("The keeper of the warm cells does not answer (%s): cells are made cold", error)
                return None
            finally:
                # A soft limit may strike between request and reply, or in the lines above. Without this, the
                # next claim would get this claim's reply.
                if not is_done:
                    self._hang_up()
            return opened

    def _ask_anew(self, runtime: str) -> None:
        # A reply that nobody has read would be taken for the reply to this request. Its cell ends.
        if self._is_asked:
            self._hang_up()
        self._send(runtime)

    def _ask(self, runtime: str) -> OpenCell | None:
        if not self._is_asked:
            self._send(runtime)
        return self._receive()

    def _send(self, runtime: str) -> None:
        if self._connection is None:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._connection.settimeout(_PATIENCE_S)
            self._connection.connect(self._path)
        self._connection.send(runtime.encode())
        self._is_asked = True

    def _receive(self) -> OpenCell | None:
        if self._connection is None:
            return None
        reply, descriptors, _, _ = socket.recv_fds(self._connection, _REPLY_BYTES, _MOST_STREAMS)
        self._is_asked = False
        if not reply:
            raise ConnectionError("it hung up")
        if not descriptors:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003
        said = json.loads(reply)
        info = CellInfo(**said["info"])
        return OpenCell(said["name"], info, self._adopt(descriptors), group=said["group"])

    def _hang_up(self) -> None:
        self._is_asked = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
