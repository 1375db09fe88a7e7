"""Finds the lines of a module that run in a call, and not during the import."""

from __future__ import annotations

import ast

__all__ = ["lines_in_functions"]


def lines_in_functions(source: str) -> set[int]:
    """All lines of function bodies. Default values belong to the import."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, functions):
            body = node.body if isinstance(node.body, list) else [node.body]
            found.update(range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1))
    return found
