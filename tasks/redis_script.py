"""The scripts in `tasks/lua`. Redis runs each as one atomic step."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RedisScript"]

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
