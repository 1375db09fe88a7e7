"""Faults that drop something: a call, an assignment, the context that a body runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Function, Keyword
from parso.tree import search_ancestor

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DropAssignment", "DropCall", "DropContext", "logs"]

_LOG_WORDS = ("_log.", "log.")


class DropCall(Operator):  # type: ignore[misc]
    """Removes a statement that is only a call, such as a clean-up, a release of a lock, or an expiry."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every statement that is a call, except calls that write to the log."""
        if node.type == "simple_stmt" and _is_call(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the call with `pass`."""
        return _passing(node)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("close()\n", "pass\n"), Example("a.b(c)\n", "pass\n"))


class DropAssignment(Operator):  # type: ignore[misc]
    """Removes an assignment to an attribute or an item: a state is not kept, a count does not change."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every such assignment, except those that only give an object its first state."""
        if node.type == "simple_stmt" and _assigns(node.children[0]) and not _is_in_init(node):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the assignment with `pass`."""
        return _passing(node)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("a.b = 3\n", "pass\n"), Example("a[b] += 1\n", "pass\n"))


class DropContext(Operator):  # type: ignore[misc]
    """Runs a body without its context: a lock is not taken, an error is not suppressed, nothing is closed."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every `with` of one expression whose value has no name, except `async with`."""
        if node.type != "with_stmt" or node.parent.type == "async_stmt":
            return
        if node.children[1].type != "with_item" and node.children[2] == ":":
            yield node.children[0].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace `with` by `if`: a context is a true value."""
        node.children[0].value = "if"
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("with lock:\n    a()\n", "if lock:\n    a()\n"),)


def logs(node: Any) -> bool:
    """Whether this call writes to the log."""
    return bool(node.get_code(include_prefix=False).startswith(_LOG_WORDS))


def _is_call(node: Any) -> bool:
    if node.type not in ("atom_expr", "power"):
        return False
    return bool(node.children[-1].type == "trailer" and node.children[-1].children[0] == "(") and not logs(
        node
    )


def _assigns(node: Any) -> bool:
    return node.type == "expr_stmt" and node.children[0].type in ("atom_expr", "power")


def _is_in_init(node: Any) -> bool:
    function = search_ancestor(node, "funcdef")
    return isinstance(function, Function) and function.name.value == "__init__"


def _passing(node: Any) -> Any:
    dropped = node.children[0]
    node.children[0] = Keyword("pass", dropped.start_pos, prefix=dropped.get_first_leaf().prefix)
    return node
