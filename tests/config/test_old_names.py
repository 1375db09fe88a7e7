"""`CELLBLOCK_MARGIN`, the old name of two settings: it is accepted, with a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config import InvalidSetting, load_settings
from config.variables import warn_of
from tests.programs import run_cli

WARNING = (
    "CELLBLOCK_MARGIN is the old name of CELLBLOCK_ENGINE_MARGIN and CELLBLOCK_SILENCE: set those instead"
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    warn_of.cache_clear()
    for variable in ("CELLBLOCK_ENGINE_MARGIN", "CELLBLOCK_SILENCE"):
        monkeypatch.delenv(variable, raising=False)


def both() -> tuple[float, float]:
    settings = load_settings()
    return settings.engine_margin, settings.silence


def test_the_old_name_sets_both_and_warns_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CELLBLOCK_MARGIN", "6")
    assert [both(), both()] == [(6, 6), (6, 6)]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", WARNING)]


def test_the_old_name_may_come_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "margin").write_text("6\n")
    monkeypatch.setenv("CELLBLOCK_MARGIN_FILE", str(tmp_path / "margin"))
    assert both() == (6, 6)
    assert caplog.messages == [WARNING]


@pytest.mark.parametrize(
    ("variable", "expected"), [("CELLBLOCK_ENGINE_MARGIN", (2, 6)), ("CELLBLOCK_SILENCE", (6, 2))]
)
@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_new_name_wins_for_its_own_setting(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    expected: tuple[float, float],
    in_a_file: bool,
) -> None:
    (tmp_path / "value").write_text("2\n")
    monkeypatch.setenv("CELLBLOCK_MARGIN", "6")
    monkeypatch.setenv(
        f"{variable}_FILE" if in_a_file else variable, str(tmp_path / "value") if in_a_file else "2"
    )
    assert both() == expected


def test_what_the_code_passes_wins_over_the_old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_MARGIN", "6")
    assert load_settings(silence=2).silence == 2


@pytest.mark.parametrize("value", [None, ""])
def test_who_does_not_set_the_old_name_is_not_warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("CELLBLOCK_MARGIN", value)
    assert (both(), caplog.messages) == ((15, 15), [])


def test_no_unknown_variable_is_told_that_the_old_name_is_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELLBLOCK_MARGINS", "6")
    with pytest.raises(InvalidSetting) as caught:
        load_settings()
    assert "CELLBLOCK_MARGIN is" not in str(caught.value)


def test_the_bounds_are_those_of_the_new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_MARGIN", "0")
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_ENGINE_MARGIN='0': .*CELLBLOCK_SILENCE='0': "):
        load_settings()


def test_the_command_line_warns_on_standard_error_alone_and_doctor_finds_nothing_wrong() -> None:
    done = run_cli("doctor", "settings", "--json", CELLBLOCK_MARGIN="6")
    assert ({finding["level"] for finding in json.loads(done.stdout)}, done.returncode) == ({"ok"}, 0)
    assert done.stderr == f"{WARNING}\n"
