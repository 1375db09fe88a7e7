"""A fixture for tests of one check of `doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.doctor import doctor

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def examine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, Any]]]:
    """Gives a function that returns the findings of one check. The exit code must match them."""

    def findings(check: str, **settings: str) -> list[dict[str, Any]]:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            code = _code(check)
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        assert code == (125 if any(finding["level"] == "problem" for finding in found) else 0)
        return found

    return findings


def _code(check: str) -> int:
    try:
        doctor([check], as_json=True)
    except typer.Exit as leaving:
        return leaving.exit_code
    return 0
