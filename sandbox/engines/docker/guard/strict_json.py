"""Parses JSON that every parser reads alike. What two parsers could read differently is refused."""

from __future__ import annotations

import json
from typing import Any

from sandbox.engines.docker.guard.refused import Refused

__all__ = ["parse_json"]


def parse_json(data: bytes | str) -> Any:  # noqa: ANN401  whatever it holds
    """The one document in `data`.

    Raises:
        Refused: `data` is not JSON in UTF-8, has a name twice in one object, has NaN or an infinity, or has
            anything after the document.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"no plain JSON: {type(error).__name__}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a name stands twice in one object")
    return found


def _no_number(name: str) -> None:
    raise Refused(f"{name} is no number")
