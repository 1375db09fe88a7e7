"""The lines of a module that run when it is called, and not already when it is imported."""

from __future__ import annotations

import ast

__all__ = ["lines_in_functions"]


def lines_in_functions(source: str) -> set[int]:
    """All lines of the bodies of its functions; a default value belongs to the import."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, functions):
            body = node.body if isinstance(node.body, list) else [node.body]
            found.update(range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1))
    return found
