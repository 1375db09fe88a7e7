"""Patterns for paths."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.globs import compile_glob, literal_start

# No name in a path is empty: a job's files are checked for it, and tar writes no such names.
paths = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4).map("/".join)
patterns = st.lists(st.sampled_from(["a", "b", "/", "?", "*", "**", "/**/", "[ab]", "[!a]"]), max_size=7)


def matches(pattern: str, path: str) -> bool:
    return compile_glob(pattern).fullmatch(path) is not None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "aXtxt", False),
        ("a.txt", "A.TXT", False),
        ("*.py", "a.py", True),
        ("*.py", "d/a.py", False),
        ("*.py", ".py", True),
        ("d/?.py", "d/a.py", True),
        ("d?a.py", "d/a.py", False),
        ("**", "a/b/c", True),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "ab/z", False),
        ("a**/z", "ab/z", True),
        ("a**/z", "az", False),
        ("out/", "out/a/b", True),
        ("out/", "out", False),
        ("out/", "outer", False),
        ("[abc].x", "b.x", True),
        ("[a-c].x", "d.x", False),
        ("[!a-c].x", "d.x", True),
        ("[!a]b", "/b", False),
        ("[]]", "]", True),
        ("[a-]", "-", True),
        ("[--0]", ".", True),
        ("[^a]", "^", True),
        ("[z-a]", "z", False),
        ("[!z-a]", "z", True),
        ("a[b", "a[b", True),
        ("[]", "[]", True),
        ("[!]", "[!]", True),
        ("(a|b)+", "(a|b)+", True),
        ("*", "new\nline", True),
    ],
)
def test_a_pattern_reads_as_in_a_shell(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


@given(st.text(max_size=30))
def test_any_text_is_a_pattern(pattern: str) -> None:
    assert compile_glob(pattern)


@given(st.text(min_size=1).filter(lambda path: not set(path) & set("*?[") and not path.endswith("/")))
def test_a_pattern_with_no_wildcard_matches_itself_alone(path: str) -> None:
    assert matches(path, path)
    assert not matches(path, path + "x")
    assert literal_start(path) == path


@given(patterns, paths)
def test_no_shortcut_changes_what_matches(pieces: list[str], path: str) -> None:
    pattern = "".join(pieces).rstrip("/")
    assert matches(pattern, path) is _tried_in_every_way(pattern, path)


def _tried_in_every_way(pattern: str, path: str) -> bool:
    """Match in a simple and slow way, to compare with."""

    @cache
    def match(at: int, of: int) -> bool:
        rest = pattern[at:]
        if not rest:
            return of == len(path)
        if rest.startswith("**/") and (at == 0 or pattern[at - 1] == "/"):
            starts = [of, *(end + 1 for end in range(of, len(path)) if path[end] == "/")]
            return any(match(at + 3, start) for start in starts)
        if rest.startswith("*"):
            crosses = rest.startswith("**") or pattern[:at].endswith("*")
            on = of < len(path) and (crosses or path[of] != "/") and match(at, of + 1)
            return on or match(at + 1, of)
        size = rest.index("]") + 1 if rest.startswith("[") else 1
        return of < len(path) and _is_one_of(rest[:size], path[of]) and match(at + size, of + 1)

    return match(0, 0)


def _is_one_of(token: str, character: str) -> bool:
    allowed = {"?": "ab", "[ab]": "ab", "[!a]": "b"}.get(token, token)
    return character in allowed


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 30 + "b", "a" * 255),
        ("**a" * 30 + "b", "a/" * 2000),
        ("**/" * 30 + "b", "a/" * 2000),
        ("**/*a*" * 15 + "b", "a/" * 2000),
    ],
    ids=["in a name", "across", "folders", "mixed"],
)
def test_no_pattern_goes_on_for_ever(pattern: str, path: str) -> None:
    started = time.monotonic()
    assert not matches(pattern, path)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("a/b/*.py", "a/b"),
        ("*.py", ""),
        ("a/b.txt", "a/b.txt"),
        ("out/", "out"),
        ("a/[b]/c", "a"),
        ("**", ""),
    ],
)
def test_the_start_of_a_pattern_is_what_it_names_outright(pattern: str, start: str) -> None:
    assert literal_start(pattern) == start


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "**/*a*" * 15 + "b", "[!b]*" * 30 + "c"])
def test_more_patterns_take_no_more_steps(pattern: str) -> None:
    """Most of the work is to read the path and to compute new states, for any number of patterns."""
    path = "/".join(["a" * 60] * 16)
    one, many = compile_glob(pattern), compile_glob(*(f"{pattern}{number}" for number in range(256)))
    assert (one.fullmatch(path), many.fullmatch(path)) == (None, None)
    assert many.work < 10 * one.work


def test_what_a_path_shares_with_the_last_one_is_not_read_again() -> None:
    globs = compile_glob("**/*.png")
    for number in range(100):
        globs.fullmatch("folder/" * 20 + f"{number:02}.png")
    assert globs.work < 3000


@given(st.lists(patterns, min_size=1, max_size=4), st.lists(paths, max_size=5))
def test_many_patterns_match_what_any_of_them_matches(several: list[list[str]], tried: list[str]) -> None:
    whole = ["".join(pieces) for pieces in several]
    together = compile_glob(*whole)
    for path in tried:
        assert (together.fullmatch(path) is not None) == any(matches(pattern, path) for pattern in whole)


def test_a_new_step_is_more_work_than_one_that_is_remembered() -> None:
    globs = compile_glob("a*")
    globs.fullmatch("ab")
    first = globs.work
    globs.fullmatch("-")
    globs.fullmatch("ab")
    assert (first, globs.work) == (2 + 2 * 8, 2 + 2 * 8 + 1 + 8 + 2)


def test_what_is_remembered_does_not_grow_with_the_names() -> None:
    globs = compile_glob("**")
    for number in range(0x4E00, 0x4E00 + 5000):
        globs.fullmatch(chr(number))
    assert max(len(globs._moves), len(globs._masks)) <= 2048


def test_a_range_may_be_of_one_character() -> None:
    assert [path for path in "abc" if compile_glob("[b-b]").fullmatch(path)] == ["b"]
