"""Tests of the parts of the mutation run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.accepted import stale
from tests.mutation.changed_lines import parse_diff
from tests.mutation.error_branches import error_branches
from tests.mutation.function_bodies import lines_in_functions
from tests.mutation.line_map import then_of
from tests.mutation.mutants import all_mutants


def test_every_accepted_fault_is_of_a_line_that_is_there() -> None:
    assert stale() == []


def test_a_line_is_found_where_it_was_and_a_new_one_at_the_line_above_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("a\nb\nc\nd\n")
    new.write_text("a\nnew\nb\nchanged\nd\n")
    assert then_of(old, new) == [1, 1, 2, 3, 4]


def test_the_added_lines_of_a_diff_are_told_by_file() -> None:
    diff = "+++ b/tasks/run.py\n@@ -1 +1,2 @@\n+a\n+b\n@@ -9,0 +12 @@\n+c\n+++ b/README.md\n@@ -1 +1 @@\n+d\n"
    assert parse_diff(diff) == {"tasks/run.py": {1, 2, 12}}


def test_an_error_branch_is_the_body_of_an_except() -> None:
    source = "try:\n    a()\nexcept OSError:\n    b()\n    c()\nd()\n"
    assert list(error_branches(source)) == [(3, {4, 5})]


def test_a_constant_and_a_default_belong_to_the_import_and_a_body_does_not() -> None:
    source = (
        "A = 1\n\n\ndef f(x=2):\n    return x\n\n\nclass C:\n    b = 3\n\n    def g(self):\n        pass\n"
    )
    assert lines_in_functions(source) == {5, 12}


@pytest.mark.parametrize(
    "path", ["tasks/back_off.py", "sandbox/engines/docker/cell.py", "tasks/lease.py", "tasks/run.py"]
)
def test_a_fault_changes_its_line_and_leaves_a_program(path: str) -> None:
    mutants = list(all_mutants([path]))
    before = Path(path).read_text().splitlines()
    changed = {mutant: mutant.source().splitlines()[mutant.line - 1] for mutant in mutants}
    assert mutants
    assert all(text != before[mutant.line - 1] for mutant, text in changed.items())
    assert all(compile(mutant.source(), path, "exec") for mutant in mutants)
