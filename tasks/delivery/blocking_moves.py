"""How an idle consumer waits: with blocking moves, on one connection for each queue."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from tasks.patience import refuses_writes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BlockingMoves"]

# A blocking move that finds nothing ends after this, and is sent again.
_WAIT_S = 5


@dataclass(slots=True)
class _BlockingMove:
    connection: Any
    descriptor: int = -1
    waits: bool = False


class BlockingMoves:
    """Waits on any number of queues at once in a worker's event loop.

    In Redis, a blocking move waits on one key and blocks its connection. The stock transport waits on many
    keys with one command, but that command removes the message from Redis.
    """

    def __init__(self, pool: Any, loop: Any, arrived: Callable[[str, bytes], None]) -> None:  # noqa: ANN401
        self._pool = pool
        self._loop = loop
        self._arrived = arrived
        self._moves: defaultdict[str, _BlockingMove] = defaultdict(
            lambda: _BlockingMove(pool.get_connection())
        )

    def is_waiting(self, queue_key: str) -> bool:
        """Whether a blocking move waits on this queue."""
        move = self._moves.get(queue_key)
        return move is not None and move.waits

    def wait(self, queue_key: str, taken_key: str) -> None:
        """Ask Redis to move the queue's next message to `taken_key`. `arrived` is then called with it."""
        move = self._moves[queue_key]
        self._listen(queue_key, move)
        move.connection.send_command("BLMOVE", queue_key, taken_key, "RIGHT", "LEFT", _WAIT_S)
        move.waits = True

    def close(self) -> None:
        """Close the connections. A message that Redis has already moved stays in this consumer's list."""
        for move in self._moves.values():
            if move.descriptor >= 0:
                self._loop.remove(move.descriptor)
        self._moves.clear()
        self._pool.disconnect()

    def _listen(self, queue_key: str, move: _BlockingMove) -> None:
        """Have the loop read from the connection, which has another descriptor after a reconnect."""
        if move.connection._sock is None:  # noqa: SLF001  there is no public way to its socket
            move.connection.connect()
        descriptor = move.connection._sock.fileno()  # noqa: SLF001
        if descriptor != move.descriptor:
            move.descriptor = descriptor
            self._loop.add_reader(descriptor, self._read, queue_key)

    def _read(self, queue_key: str) -> None:
        move = self._moves.get(queue_key)
        if move is None:
            return
        move.waits = False
        try:
            message = move.connection.read_response()
        except BaseException as error:
            if refuses_writes(error):
                # The next iteration of the loop tries again.
                return
            self._loop.remove(move.descriptor)
            move.descriptor = -1
            move.connection.disconnect()
            raise
        if message is None:
            return
        try:
            self._arrived(queue_key, message)
        except ResponseError as error:
            # The message is still in this consumer's list, where the next iteration of the loop finds it.
            if not refuses_writes(error):
                raise
