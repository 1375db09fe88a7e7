"""All faults that can be made, each by its place and its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutation.operators import OPERATORS
from tests.mutation.paths import PACKAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Mutant", "all_mutants", "product_files"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: the n-th occurrence of a kind in a file, and the line where it stands."""

    path: str
    line: int
    kind: str
    occurrence: int

    def source(self) -> str:
        """The file with the fault in it."""
        changed: str = mutate_code((ROOT / self.path).read_text(), OPERATORS[self.kind], self.occurrence)
        return changed

    def __str__(self) -> str:
        """Where it is, and what it does."""
        return f"{self.path}:{self.line} {self.kind}"


def product_files() -> Iterator[str]:
    """The files of the product, by their paths in the repository."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT))


def all_mutants(paths: Iterable[str]) -> Iterator[Mutant]:
    """Every fault in these files."""
    for path in paths:
        counts = dict.fromkeys(OPERATORS, 0)
        source = (ROOT / path).read_text()
        lines = source.splitlines()
        for node in ast_nodes(get_ast(source)):
            for kind, operator in OPERATORS.items():
                for start, _ in operator.mutation_positions(node):
                    # What a frozen dataclass forbids nobody does.
                    if not lines[start[0] - 1].startswith("@dataclass("):
                        yield Mutant(path, start[0], kind, counts[kind])
                    counts[kind] += 1
