"""The kinds of faults: a negated condition, a removed call, a wrong number or key, an error not caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmic_ray.operators.boolean_replacer import (
    AddNot,
    ReplaceAndWithOr,
    ReplaceFalseWithTrue,
    ReplaceOrWithAnd,
    ReplaceTrueWithFalse,
)
from cosmic_ray.operators.exception_replacer import ExceptionReplacer as NamedExceptionReplacer
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from cosmic_ray.operators.zero_iteration_for_loop import ZeroIterationForLoop
from parso.python.tree import Keyword, Name, Number, String

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OPERATORS"]

_LOG_WORDS = ("_log.", "log.")


class DropCall(Operator):  # type: ignore[misc]
    """Removes a statement that is only a call, such as a clean-up, a release of a lock, or an expiry."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every statement that is a call, except calls that write to the log."""
        if node.type == "simple_stmt" and _is_call(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the call with `pass`."""
        call = node.children[0]
        node.children[0] = Keyword("pass", call.start_pos, prefix=call.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("close()\n", "pass\n"), Example("a.b(c)\n", "pass\n"))


class ChangeNumber(Operator):  # type: ignore[misc]
    """Multiplies a number by ten and adds one: a wrong unit or limit."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every number."""
        if isinstance(node, Number):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Multiply by ten and add one."""
        node.value = f"({node.value} * 10 + 1)"
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("x = 3", "x = (3 * 10 + 1)"),)


class ChangeText(Operator):  # type: ignore[misc]
    """Changes a string: a wrong key, name or mode."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every string without spaces, except docstrings, log messages and type annotations."""
        if isinstance(node, String) and _counts(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Put an X before the text."""
        quote = node.value.index(node.value[-1])
        node.value = f"{node.value[: quote + 1]}X{node.value[quote + 1 :]}"
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("x['key']", "x['Xkey']"),)


def _is_call(node: Any) -> bool:
    if node.type not in ("atom_expr", "power"):
        return False
    return bool(node.children[-1].type == "trailer" and node.children[-1].children[0] == "(") and not _logs(
        node
    )


def _logs(node: Any) -> bool:
    return bool(node.get_code(include_prefix=False).startswith(_LOG_WORDS))


def _counts(node: Any) -> bool:
    if node.value.startswith(('"""', 'r"""', "'''")) or " " in node.value or node.value[1:-1] == "":
        return False
    above = node.parent
    while above is not None:
        if above.type in ("annassign", "tfpdef", "decorator", "raise_stmt") or (_is_call_of_log(above)):
            return False
        if above.type == "expr_stmt" and above.children[0].get_code().strip() == "__all__":
            return False
        above = above.parent
    return True


def _is_call_of_log(node: Any) -> bool:
    return node.type in ("atom_expr", "power") and _logs(node)


_STOCK = OperatorProvider()
_COMPARISONS = (
    "Eq_NotEq",
    "NotEq_Eq",
    "Lt_LtE",
    "LtE_Lt",
    "Gt_GtE",
    "GtE_Gt",
    "Lt_Gt",
    "Gt_Lt",
    "LtE_GtE",
    "GtE_LtE",
    "Is_IsNot",
    "IsNot_Is",
    "In_NotIn",
)
_ARITHMETIC = (
    "Add_Sub",
    "Sub_Add",
    "Mul_Add",
    "Div_Mul",
    "FloorDiv_Mul",
    "LShift_RShift",
    "RShift_LShift",
)


class ExceptionReplacer(NamedExceptionReplacer):  # type: ignore[misc]
    """Catches another exception. Cosmic Ray's own operator can't replace dotted names."""

    @staticmethod
    def _name_nodes(node: Any) -> list[Any]:
        caught = node.children[1]
        if caught.type == "atom":
            inside = caught.children[1]
            caught = inside.children[::2] if inside.type == "testlist_comp" else [inside]
        else:
            caught = [caught]
        return [leaf for leaf in (one.get_last_leaf() for one in caught) if isinstance(leaf, Name)]


OPERATORS: Mapping[str, Operator] = {
    **{
        kind.__name__: kind()
        for kind in (
            AddNot,
            ReplaceAndWithOr,
            ReplaceOrWithAnd,
            ReplaceTrueWithFalse,
            ReplaceFalseWithTrue,
            ExceptionReplacer,
            ZeroIterationForLoop,
            DropCall,
            ChangeNumber,
            ChangeText,
        )
    },
    **{
        name: _STOCK[name]()
        for name in (
            *(f"ReplaceComparisonOperator_{pair}" for pair in _COMPARISONS),
            *(f"ReplaceBinaryOperator_{pair}" for pair in _ARITHMETIC),
        )
        if name in list(_STOCK)
    },
}
