"""What is said to one database of a Redis that tests share."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["commands_to", "said_to"]


@contextmanager
def commands_to(database: Any) -> Iterator[Iterator[list[str]]]:
    """Give the words of each command that anybody sends to this client's database from now on."""
    number = database.get_connection_kwargs()["db"]
    with database.monitor() as monitor:
        yield (heard["command"].split() for heard in monitor.listen() if heard["db"] == number)


@contextmanager
def said_to(database: Any) -> Iterator[list[str]]:
    """Give a list that has the first word of each command of the block, once that has ended."""
    said: list[str] = []
    with commands_to(database) as heard:
        yield said
        database.echo("end")
        said += [words[0] for words in takewhile(lambda words: words[0] != "ECHO", heard)]
