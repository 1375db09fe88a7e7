"""Programs that Redis runs, each as one step that nothing comes between: the files of `tasks/lua`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.commands.core import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RedisScript"]

_FOLDER = Path(__file__).with_name("lua")


class RedisScript:
    """One file, after those whose functions it calls. Each begins with its keys, arguments and answer.

    Redis is sent the program once, and its hash from then on.
    """

    def __init__(self, *names: str) -> None:
        self._source = "".join((_FOLDER / f"{name}.lua").read_text() for name in names).encode()
        self._script: Script | None = None

    def __call__(self, client: Any, keys: Sequence[str], *args: str | bytes | float) -> Any:  # noqa: ANN401
        """What it answers.

        Raises:
            redis.exceptions.RedisError: there was no answer, or Redis refuses.
        """
        self._script = self._script or Script(client, self._source)
        return self._script(keys=keys, args=args, client=client)
