"""Patterns for paths, as shells and .gitignore read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

__all__ = ["compile_glob", "literal_start"]

# Only as a whole name is `**` followed by a slash any number of folders, none included.
_PIECE = re.compile(r"(?:(?<=/)|^)\*\*/|\*\*+|\*|\?|\[(?:!.|[^!])[^\]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?\[]")


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """The expression for `pattern`: `*` and `?` stay within a name, `**` does not, `dir/` is all below.

    Matches case by case; `[…]` is a set of characters, `[!…]` all others.
    """
    if pattern.endswith("/"):
        pattern += "**"
    return re.compile("".join(_across(_PIECE.findall(pattern))), re.DOTALL)


def literal_start(pattern: str) -> str:
    """The folders, and perhaps the file, that `pattern` names before its first wildcard."""
    parts = pattern.rstrip("/").split("/")
    wild = next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts))
    return "/".join(parts[:wild])


# What follows a star may match in many places, and many stars in all their combinations: a pattern that
# never ends. The first place is always as good as the others, since the next star reaches from there
# whatever it reaches from any of them; so all but the last star try that one alone: (?>…) never looks back.


def _across(pieces: Sequence[str]) -> Iterator[str]:
    """Stars that cross slashes, and what stands between them."""
    spans = _split(pieces, lambda piece: piece.startswith("**"))
    for index, (star, between) in enumerate(spans):
        last = index == len(spans) - 1
        folders = {"": "", "**/": "(?:.*?/)??"}.get(star, ".*?")
        inner = "".join(_within(between, last=last))
        yield f"{folders}{inner}" if last else f"(?>{folders}{inner})"


def _within(pieces: Sequence[str], *, last: bool) -> Iterator[str]:
    """Stars that stay within a name, and what stands between them."""
    spans = _split(pieces, lambda piece: piece == "*")
    for index, (star, between) in enumerate(spans):
        inner = ("[^/]*?" if star else "") + "".join(map(_one, between))
        yield inner if last and index == len(spans) - 1 else f"(?>{inner})"


def _split(pieces: Sequence[str], is_star: Callable[[str], bool]) -> list[tuple[str, list[str]]]:
    """Each star with the pieces behind it; what stands before the first one comes behind none."""
    spans: list[tuple[str, list[str]]] = [("", [])]
    for piece in pieces:
        if is_star(piece):
            spans.append((piece, []))
        else:
            spans[-1][1].append(piece)
    return spans


def _one(piece: str) -> str:
    """One character, which is a slash only where the pattern has one."""
    if piece == "?":
        return "[^/]"
    if len(piece) == 1:
        return re.escape(piece)
    inner = piece[1:-1].removeprefix("!")
    negated = len(inner) < len(piece) - 2
    members = "".join(_members(inner))
    if not members:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{members}]"


def _members(inner: str) -> Iterator[str]:
    """Single characters and ranges; one that runs backwards holds nothing."""
    for first, last, single in re.findall(r"(.)-(.)|(.)", inner, re.DOTALL):
        if single:
            yield re.escape(single)
        elif first <= last:
            yield f"{re.escape(first)}-{re.escape(last)}"
