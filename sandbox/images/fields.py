"""Reads typed values from a TOML table. A value of another form is refused with a one-sentence error."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from sandbox.errors import ImageBuildFailed

__all__ = ["Fields"]

_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")


class Fields:
    """A table of a recipe. `place` is its name in error messages."""

    def __init__(self, table: Mapping[str, object], place: str) -> None:
        self._table = table
        self._place = place

    def only(self, known: Collection[str]) -> None:
        """Raise ImageBuildFailed if the table has a key that is not known."""
        if strange := sorted(self._table.keys() - set(known)):
            raise ImageBuildFailed(
                f"{self._place} has the unknown key {strange[0]!r}; known are {', '.join(sorted(known))}."
            )

    def text(self, key: str, pattern: str = r".+") -> str:
        """A string that the whole pattern matches."""
        value = self._table.get(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self._wrong(key, f"a string like {pattern!r}")
        return value

    def texts(self, key: str, pattern: str = r".+") -> tuple[str, ...]:
        """A list of such strings; empty if the key is missing."""
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(_matches(pattern, item) for item in value):
            raise self._wrong(key, f"a list of strings like {pattern!r}")
        return tuple(value)

    def mapping(self, key: str, name: str = r".+", value: str = r".*") -> dict[str, str]:
        """A table of strings; empty if the key is missing."""
        found = self._table.get(key, {})
        pairs = found.items() if isinstance(found, dict) else [(None, None)]
        if not all(_matches(name, k) and _matches(value, v) for k, v in pairs):
            raise self._wrong(key, f"a table of {name!r} = {value!r}")
        return dict(pairs)

    def choices(self, key: str) -> tuple[tuple[str, ...], ...]:
        """A list of Debian package names, each of which may be a list of alternatives."""
        value = self._table.get(key, [])
        listed = value if isinstance(value, list) else [[]]
        items = [item if isinstance(item, list) else [item] for item in listed]
        if not all(item and all(_matches(_PACKAGE.pattern, name) for name in item) for item in items):
            raise self._wrong(key, "a list of package names, or of lists of alternatives")
        return tuple(tuple(item) for item in items)

    def tables(self, key: str) -> tuple[Fields, ...]:
        """An array of tables; empty if the key is missing."""
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "an array of tables")
        return tuple(Fields(item, f"{self._place} [[{key}]]") for item in value)

    def _wrong(self, key: str, wanted: str) -> ImageBuildFailed:
        return ImageBuildFailed(f"{self._place}: {key} is {self._table.get(key)!r}; it must be {wanted}.")


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None
