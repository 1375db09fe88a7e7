"""The options of the command line that are about runs, and the table of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.answer import read_answer
from cli.finish import exit_of
from cli.run_options import read_comparison, read_runs
from cli.run_table import show_runs
from tests.cli.test_answer import GOOD

if TYPE_CHECKING:
    from pathlib import Path

RUN: dict[str, Any] = {
    "name": "1",
    "status": "succeeded",
    "verdict": "accepted",
    "limit": None,
    "duration": 0.25,
    "cpu_seconds": 0.125,
    "memory_peak": 1 << 20,
}


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("[" * 100_000, "is no JSON"), ('{"runs": []}', "has no list of runs")],
)
def test_a_file_without_a_list_is_a_wrong_call(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(typer.BadParameter, match=words):
        read_runs(tmp_path / "runs.json")


def test_a_file_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="No such file"):
        read_runs(tmp_path / "runs.json")


@pytest.mark.parametrize(
    ("text", "compare"),
    [("lines", "lines"), ("float:1e-6", {"float": 1e-6}), ("x:1", "x:1"), ("float", "float")],
)
def test_a_way_to_compare_is_a_word_or_a_tolerance(text: str, compare: object) -> None:
    assert read_comparison(text) == compare


def test_a_tolerance_that_is_no_number_is_a_wrong_call() -> None:
    with pytest.raises(typer.BadParameter, match="give a number after float:"):
        read_comparison("float:much")


@pytest.mark.parametrize(
    ("runs", "status", "code"),
    [
        ([RUN], "succeeded", 0),
        ([RUN, RUN | {"verdict": "wrong_answer"}], "succeeded", 1),
        ([RUN | {"verdict": None}], "succeeded", 0),
        ([RUN | {"verdict": "wrong_answer"}, RUN | {"status": "timed_out"}], "timed_out", 124),
    ],
)
def test_a_wrong_answer_shows_in_the_exit_code(runs: list[dict[str, Any]], status: str, code: int) -> None:
    answer = read_answer(GOOD | {"runs": runs, "status": status})
    assert exit_of(answer) == code


def test_the_table_has_a_row_for_each_run(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    late = RUN | {"name": "late", "status": "timed_out", "verdict": None, "limit": "cpu_time"}
    show_runs(read_answer(GOOD | {"runs": [RUN, late | {"cpu_seconds": None, "memory_peak": None}]}).runs)
    head, first, second = capsysbinary.readouterr().out.decode().splitlines()

    assert head.split() == ["RUN", "VERDICT", "STATUS", "LIMIT", "SECONDS", "CPU", "MEMORY"]
    assert first.split() == ["1", "accepted", "succeeded", "-", "0.250", "0.125", "1", "MiB"]
    assert second.split() == ["late", "-", "timed_out", "cpu_time", "0.250", "-", "-"]
