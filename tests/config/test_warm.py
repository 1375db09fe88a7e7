"""The setting for the number of warm cells."""

from __future__ import annotations

import pytest

from config import InvalidSetting, load_settings
from config.warm import WarmRange, parse_warm


@pytest.mark.parametrize(
    ("text", "bash", "python"),
    [
        ("0", (0, 0), (0, 0)),
        ("4", (4, 4), (4, 4)),
        ("2-8", (2, 8), (2, 8)),
        ("0,python=3", (0, 0), (3, 3)),
        ("1, bash=2-20", (2, 20), (1, 1)),
        ("9999", (9999, 9999), (9999, 9999)),
        ("python=3,bash=4", (4, 4), (3, 3)),
        (",", (0, 0), (0, 0)),
    ],
)
def test_a_size_holds_for_all_runtimes_or_for_one(
    text: str, bash: tuple[int, int], python: tuple[int, int]
) -> None:
    sizes = parse_warm(text)
    assert (sizes.of("bash"), sizes.of("python")) == (WarmRange(*bash), WarmRange(*python))


@pytest.mark.parametrize("text", ["many", "-1", "8-2", "python", "python=x", "1.5", "10000", "P=1", "1-2-3"])
def test_what_is_no_size_is_refused_with_the_variable(text: str) -> None:
    with pytest.raises(InvalidSetting, match="CELLBLOCK_WARM"):
        load_settings(warm=text)


def test_nothing_is_kept_warm_unless_asked_for() -> None:
    assert not load_settings().warm_sizes.any


@pytest.mark.parametrize("text", ["1", "0-1", "0,python=1"])
def test_any_size_above_nothing_keeps_something_warm(text: str) -> None:
    assert parse_warm(text).any
