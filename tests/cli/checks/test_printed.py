"""How `doctor` prints its findings, and which checks it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from cli import doctor as printing
from cli.checks.finding import ok, problem, skipped, unseen, warning
from cli.doctor import _applicable, doctor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding


def finding_all() -> Iterator[Finding]:
    """Gives one finding of each level."""
    yield ok("fine")
    yield warning("slow", "make haste")
    yield problem("broken\x1b[2J", "mend it")
    yield unseen("nobody looked")
    yield skipped("engine")


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    monkeypatch.setitem(printing.CHECKS, "clock", finding_all)
    with pytest.raises(typer.Exit) as leaving:
        doctor(["clock"])
    return leaving.value.exit_code, capsys.readouterr().out


def test_each_finding_is_a_line_with_its_mark_and_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = printed(monkeypatch, capsys)
    assert (code, shown.splitlines()) == (
        125,
        [
            "✓ clock       fine",
            "! clock       slow",
            "              Try: make haste",
            r"✗ clock       broken\x1b[2J",
            "              Try: mend it",
            "- clock       not examined: nobody looked",
            "- clock       not examined, see engine",
        ],
    )


@pytest.mark.parametrize(("took_s", "line"), [(1.0, ""), (1.04, "slow: this check took 1.0 s")])
def test_a_check_of_more_than_a_second_is_called_slow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], took_s: float, line: str
) -> None:
    moments = iter([0.0, took_s])
    # The code under test reads this clock.
    monkeypatch.setattr(printing, "time", type("Clock", (), {"monotonic": lambda: next(moments)}))
    assert printed(monkeypatch, capsys)[1].count("slow: ") == bool(line)


def test_warnings_alone_are_exit_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(printing.CHECKS, "clock", lambda: iter([warning("slow", "make haste")]))
    doctor(["clock"])
    assert capsys.readouterr().out.startswith("! clock")


@pytest.mark.parametrize(
    ("variable", "value", "names"),
    [
        ("DOCKER_TIMEOUT", "soon", ["settings", "names"]),
        ("ENABLE_DOCKER", "true", list(printing.CHECKS)),
        (
            "ENABLE_DOCKER",
            "false",
            [
                *("settings", "names", "redis", "rights", "persistence"),
                *("visibility", "clock", "workers", "consumers", "blobs", "budget"),
            ],
        ),
    ],
)
def test_what_can_be_examined_depends_on_the_settings(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, names: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert _applicable() == names


def test_what_a_check_needs_comes_before_it() -> None:
    order = list(printing.CHECKS)
    assert set(printing.NEEDS) == {
        *("socket", "images", "disk", "leftovers"),
        *("rights", "persistence", "clock", "workers", "consumers"),
    }
    assert all(order.index(needed) < order.index(check) for check, needed in printing.NEEDS.items())


def test_commands_on_the_host_are_a_warning_in_every_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    doctor(["settings"])
    assert "! settings    6 runtimes; commands run on this host, with no isolation" in capsys.readouterr().out
    monkeypatch.setenv("ENABLE_DOCKER", "true")
    doctor(["settings"])
    assert "✓ settings    6 runtimes; commands run in containers" in capsys.readouterr().out
