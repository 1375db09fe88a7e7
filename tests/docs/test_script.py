"""The code that runs the examples must notice wrong examples."""

from __future__ import annotations

import pytest

from tests.docs.script import Step, checked_python, prints, steps


def test_a_console_is_its_commands_with_what_they_print() -> None:
    assert list(steps("$ echo a\na\n$ cat <<X\n> b\n> X\nb\n")) == [
        Step("echo a", "a"),
        Step("cat <<X\nb\nX", "b"),
    ]


def test_a_transcript_is_told_apart_by_its_marks() -> None:
    assert prints("\n@@ step 0\na\n\n@@ step 1\n") == ["a", ""]


def test_a_wrong_value_in_a_comment_is_an_error() -> None:
    exec(checked_python("1 + 1  # 2\n"), {})  # noqa: S102  the test must run the checked code
    with pytest.raises(AssertionError, match="1 \\+ 1 is 2, and not 3"):
        exec(checked_python("1 + 1  # 3\n"), {})  # noqa: S102


def test_a_comment_that_is_no_value_is_a_comment() -> None:
    exec(checked_python("1 + 1  # more than one\n"), {})  # noqa: S102
