"""Finds the bodies of `except` clauses, which run after an error."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["error_branches"]


def error_branches(source: str) -> Iterator[tuple[int, set[int]]]:
    """The first line of each `except` clause, and the lines of its body."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            yield node.lineno, {line for statement in node.body for line in _lines(statement)}


def _lines(statement: ast.stmt) -> range:
    return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
