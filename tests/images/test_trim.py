from __future__ import annotations

import pytest

from sandbox.images.trim import Trim


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("usr/share/man", True),
        ("usr/share/man/man1/ls.1", True),
        ("usr/share/manual", False),
        ("usr/share/doc/x/changelog.gz", True),
        ("usr/share/doc/x/copyright", False),
        ("usr/share/doc/x", False),
        ("usr/lib/x86/libm.a", True),
    ],
)
def test_what_a_glob_matches_goes_with_all_below_it_save_what_is_kept(path: str, gone: bool) -> None:
    trim = Trim.of(["/usr/share/man", "/usr/share/doc/*/*", "/usr/lib/*.a"], ["/usr/share/doc/*/copyright"])
    assert trim.drops(path) is gone


def test_nothing_goes_without_globs() -> None:
    assert not Trim.of([], []).drops("usr")
