"""The scripts in `tasks/lua`. Redis runs each as one atomic step."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RedisScript", "Sent"]

_FOLDER = Path(__file__).with_name("lua")


class RedisScript:
    """A script: its own file, after the files whose functions it calls.

    Each file begins with its keys, arguments and answer. Redis gets the source once, and then only its hash.
    """

    def __init__(self, *names: str) -> None:
        self._source = "".join((_FOLDER / f"{name}.lua").read_text() for name in names).encode()
        self._hash = hashlib.sha1(self._source, usedforsecurity=False).hexdigest()

    def __call__(self, client: Any, keys: Sequence[str], *args: str | bytes | bytearray | float) -> Any:  # noqa: ANN401
        """Run the script and return its answer.

        Raises:
            redis.exceptions.RedisError: there was no answer, or Redis refuses.
        """
        try:
            return client.evalsha(self._hash, len(keys), *keys, *args)
        except NoScriptError:
            client.script_load(self._source)
            return client.evalsha(self._hash, len(keys), *keys, *args)

    def send(self, client: Any, keys: Sequence[str], *args: str | bytes | bytearray | float) -> Sent:  # noqa: ANN401
        """Send the script, and return at once. The caller does something else before it reads the answer.

        Raises:
            redis.exceptions.RedisError: it could not be sent.
        """
        command = ("EVALSHA", self._hash, len(keys), *keys, *args)
        return Sent(client.connection_pool, command, lambda: self(client, keys, *args))


class Sent:
    """A script that was sent to Redis. Its connection is in use until the answer is read, or dropped."""

    def __init__(self, pool: Any, command: tuple[Any, ...], again: Callable[[], Any]) -> None:  # noqa: ANN401
        self._pool, self._again = pool, again
        self._connection = pool.get_connection()
        try:
            self._connection.send_command(*command)
        except BaseException:
            self.drop()
            raise

    def answer(self) -> Any:  # noqa: ANN401
        """Wait for the answer and return it, once.

        Raises:
            redis.exceptions.RedisError: there was no answer, or Redis refuses.
        """
        try:
            answer = self._connection.read_response()
        except NoScriptError:
            self._release()
            return self._again()
        except ResponseError:
            self._release()
            raise
        except BaseException:
            self.drop()
            raise
        self._release()
        return answer

    def drop(self) -> None:
        """Close the connection: nobody will read the answer."""
        self._connection.disconnect()
        self._release()

    def _release(self) -> None:
        self._pool.release(self._connection)
