"""Patterns for paths, as shells and .gitignore read them."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["compile_glob"]


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """The expression for `pattern`: `*` and `?` stay within a name, `**` does not, `dir/` is all below.

    Matches case by case; `[…]` is a set of characters, `[!…]` all others.
    """
    if pattern.endswith("/"):
        pattern += "**"
    return re.compile("".join(map(_translate, _TOKEN.findall(pattern))), re.DOTALL)


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translate(token: str) -> str:
    if token in _WILD:
        return _WILD[token]
    if len(token) > 1:
        inner = token[1:-1]
        negated, inner = inner.startswith("!"), inner.removeprefix("!")
        return f"[{'^' if negated else ''}{re.escape(inner).replace(chr(92) + '-', '-')}]"
    return re.escape(token)
