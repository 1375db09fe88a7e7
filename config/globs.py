"""Patterns for paths, as shells and .gitignore read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["Globs", "compile_glob", "literal_start"]

# `**/` stands for any number of folders, or none, but only if `**` is a whole name.
_PIECE = re.compile(r"(?:(?<=/)|^)(?:\*\*/)+|\*\*+|\*|\?|\[(?:!.|[^!])[^\]]*\]|.", re.DOTALL)
_WILD = re.compile(r"[*?\[]")
# How many steps are remembered. Names are much alike, so most steps are repeated ones.
_REMEMBERED = 1 << 11
# The work of a new step, if a remembered step is 1; and the number of places that add 1 to it.
_NEW_STEP, _PLACES = 8, 2048


def compile_glob(*patterns: str) -> Globs:
    """A matcher that tells whether a path matches any of `patterns`, however many they are.

    `*` and `?` match no slash, `**` matches any character. `dir/` matches everything below `dir`. `[…]`
    matches one of a set of characters, `[!…]` any other one, but no slash. Upper and lower case differ.
    """
    return Globs(patterns)


def literal_start(pattern: str) -> str:
    """The folders, and perhaps the file, that `pattern` names before its first wildcard."""
    parts = pattern.rstrip("/").split("/")
    wild = next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts))
    return "/".join(parts[:wild])


class Globs:
    """All patterns as one nondeterministic automaton, with a bit for each place in each pattern.

    It reads a path once, character by character, and each step moves all places at once. So the work for a
    path grows only with its length, whatever the patterns are. If a path begins like the last one, only the
    rest is read.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        #: The work that has been done so far: 1 for each character that was read, more for a new step.
        self.work = 0
        self._start = self._accept = 0
        # Places from which the next one is reached: by no character, by any one, by any one but a slash.
        self._skip = self._folders = self._names = 0
        # Places at which a star stays: for any character, and for any character but a slash.
        self._across = self._within = 0
        self._literals: dict[str, int] = {}
        self._classes: dict[str, int] = {}
        place = 0
        for pattern in dict.fromkeys(patterns):
            place = self._add(pattern, place)
        self._moves: dict[tuple[int, str], int] = {}
        self._masks: dict[str, int] = {}
        self._new_step = _NEW_STEP + place // _PLACES
        self._matchers = [(re.compile(_set(name)), mask) for name, mask in self._classes.items()]
        self._path, self._states = "", [self._settled(self._start)]

    def fullmatch(self, path: str) -> str | None:
        """`path`, if any of the patterns matches the whole of it."""
        shared = _shared(path, self._path)
        del self._states[shared + 1 :]
        state = self._states[shared]
        for character in path[shared:]:
            state = self._move(state, character)
            self._states.append(state)
        self._path = path
        self.work += len(path) - shared
        return path if state & self._accept else None

    def _add(self, pattern: str, place: int) -> int:
        """Add a pattern whose first place is `place`. Returns the first place of the next pattern."""
        self._start |= 1 << place
        for piece in _PIECE.findall(pattern + "**" if pattern.endswith("/") else pattern):
            self._expect(piece, 1 << place)
            # `**/` has a second place, for a position inside of these folders.
            place += 2 if piece.startswith("**/") else 1
        self._accept |= 1 << place
        return place + 1

    def _expect(self, piece: str, bit: int) -> None:
        if piece.startswith("**/"):
            self._folders |= bit
            self._across |= bit << 1
            self._literals["/"] = self._literals.get("/", 0) | bit << 1
        elif piece == "?":
            self._names |= bit
        elif len(piece) > 1 and piece.startswith("["):
            self._classes[piece] = self._classes.get(piece, 0) | bit
        elif piece.startswith("*"):
            self._skip |= bit
            self._within |= bit if piece == "*" else 0
            self._across |= bit if piece != "*" else 0
        else:
            self._literals[piece] = self._literals.get(piece, 0) | bit

    def _move(self, state: int, character: str) -> int:
        moved = self._moves.get((state, character))
        if moved is None:
            self.work += self._new_step
            moved = self._settled(self._moved(state, character))
            _remember(self._moves, (state, character), moved)
        return moved

    def _moved(self, state: int, character: str) -> int:
        folders = state & self._folders
        stays, goes = state & self._across, state & self._mask(character) | folders
        if character == "/":
            return stays | goes << 1
        return stays | state & self._within | (goes | state & self._names) << 1

    def _mask(self, character: str) -> int:
        """The places from which a literal or a set matches this character."""
        mask = self._masks.get(character)
        if mask is None:
            self.work += len(self._matchers)
            mask = self._literals.get(character, 0)
            for matcher, places in self._matchers:
                mask |= places if matcher.fullmatch(character) else 0
            _remember(self._masks, character, mask)
        return mask

    def _settled(self, state: int) -> int:
        """`state` with the places that are reached without a character: behind a star, and behind `**/`."""
        while True:
            more = state | (state & self._skip) << 1 | (state & self._folders) << 2
            if more == state:
                return state
            state = more


def _remember(memory: dict[Any, int], key: object, value: int) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value


def _shared(path: str, last: str) -> int:
    """How many characters the two have in common at their beginning."""
    pairs = enumerate(zip(path, last, strict=False))
    return next((index for index, (ours, theirs) in pairs if ours != theirs), min(len(path), len(last)))


def _set(piece: str) -> str:
    """The regular expression for a set of characters. It never matches a slash."""
    inner = piece[1:-1].removeprefix("!")
    negated = len(inner) < len(piece) - 2
    members = "".join(_members(inner))
    if not members:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{members}]"


def _members(inner: str) -> Iterator[str]:
    """Single characters and ranges; a range that runs backwards is empty."""
    for first, last, single in re.findall(r"(.)-(.)|(.)", inner, re.DOTALL):
        if single:
            yield re.escape(single)
        elif first <= last:
            yield f"{re.escape(first)}-{re.escape(last)}"
