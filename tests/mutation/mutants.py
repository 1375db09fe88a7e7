"""All possible faults, each with its place and its kind."""

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
    """A fault: the n-th occurrence of its kind in a file, and its line."""

    path: str
    line: int
    kind: str
    occurrence: int

    def source(self) -> str:
        """The source of the file with this fault."""
        changed: str = mutate_code((ROOT / self.path).read_text(), OPERATORS[self.kind], self.occurrence)
        return changed

    def __str__(self) -> str:
        """The place and the kind."""
        return f"{self.path}:{self.line} {self.kind}"


def product_files() -> Iterator[str]:
    """The product's Python files, relative to the repository."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT))


def all_mutants(paths: Iterable[str]) -> Iterator[Mutant]:
    """Every possible fault in these files."""
    for path in paths:
        counts = dict.fromkeys(OPERATORS, 0)
        source = (ROOT / path).read_text()
        lines = source.splitlines()
        for node in ast_nodes(get_ast(source)):
            for kind, operator in OPERATORS.items():
                for start, _ in operator.mutation_positions(node):
                    # Dataclass options such as `frozen` forbid what no code does, so no test could notice.
                    if not lines[start[0] - 1].startswith("@dataclass("):
                        yield Mutant(path, start[0], kind, counts[kind])
                    counts[kind] += 1
