"""The kinds of faults: a negated condition, something dropped, a wrong number or key, an error not caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import parso
from cosmic_ray.operators.boolean_replacer import (
    ReplaceAndWithOr,
    ReplaceFalseWithTrue,
    ReplaceOrWithAnd,
    ReplaceTrueWithFalse,
)
from cosmic_ray.operators.exception_replacer import ExceptionReplacer as NamedExceptionReplacer
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from cosmic_ray.operators.zero_iteration_for_loop import ZeroIterationForLoop
from parso.python.tree import Name, Number, String

from tests.mutation.drops import DropAssignment, DropCall, DropContext, logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OPERATORS"]

# `a if b else c` has this many.
_PARTS_OF_A_CHOICE = 5
_BEFORE_CONDITION = ("if", "elif", "while")
_OTHER_BOUND = {"min": "max", "max": "min"}


class AddNot(Operator):  # type: ignore[misc]
    """Negates a condition as a whole. Cosmic Ray's own operator breaks `:=` and leaves `elif` alone."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """The conditions of `if`, `elif` and `while`, of an expression, and of a comprehension."""
        for place in self._places(node):
            yield node.children[place].start_pos, node.children[place].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Put the condition into parentheses, and `not` before it."""
        place = self._places(node)[index]
        negated = f" not ({node.children[place].get_code().strip()})"
        node.children[place] = parso.parse(negated)  # type: ignore[no-untyped-call]
        return node

    @staticmethod
    def _places(node: Any) -> list[int]:
        if node.type == "test" and len(node.children) == _PARTS_OF_A_CHOICE:
            return [2]
        if node.type in ("if_stmt", "while_stmt", "comp_if"):
            return [place for place, word in enumerate(node.children, 1) if word in _BEFORE_CONDITION]
        return []

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("a if b else c", "a if not (b) else c"),)


class SwapBound(Operator):  # type: ignore[misc]
    """Makes a largest value a smallest one, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Every call of `min` and `max`."""
        if node.type in ("atom_expr", "power") and node.children[0].get_code().strip() in _OTHER_BOUND:
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Call the other one."""
        node.children[0].value = _OTHER_BOUND[node.children[0].value]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Examples of the change, for Cosmic Ray."""
        return (Example("min(a, b)", "max(a, b)"),)


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
    return node.type in ("atom_expr", "power") and logs(node)


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
)
_ARITHMETIC = (
    "Mul_Add",
    "Add_Sub",
    "Sub_Add",
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


def _of_two_values(name: str) -> type[Operator]:
    """Cosmic Ray's own operator, without the star and the slash that stand among parameters."""
    stock: type[Operator] = _STOCK[name]

    class OfTwoValues(stock):  # type: ignore[misc]
        def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
            if node.parent is not None and node.parent.type in ("arith_expr", "term", "shift_expr"):
                yield from super().mutation_positions(node)

    return OfTwoValues


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
            DropAssignment,
            DropContext,
            SwapBound,
            ChangeNumber,
            ChangeText,
        )
    },
    **{name: _STOCK[name]() for name in (f"ReplaceComparisonOperator_{pair}" for pair in _COMPARISONS)},
    **{name: _of_two_values(name)() for name in (f"ReplaceBinaryOperator_{pair}" for pair in _ARITHMETIC)},
}
