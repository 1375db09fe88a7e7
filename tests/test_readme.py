"""Each guarantee in the README links to the test that proves it."""

from __future__ import annotations

import re

import pytest

from tests.programs import ROOT

README = (ROOT / "README.md").read_text()
PROOFS = re.findall(r"\[`(test_\w+)`\]\((tests/[\w/.]+)\)", README)


@pytest.mark.parametrize(("test", "path"), PROOFS)
def test_each_guarantee_links_to_a_test_that_is_there(test: str, path: str) -> None:
    assert f"def {test}(" in (ROOT / path).read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(((?!https?:)[^)#]+)", README))))
def test_each_link_leads_to_a_file(path: str) -> None:
    assert (ROOT / path).exists()


def test_there_are_guarantees() -> None:
    assert len(PROOFS) > 10
