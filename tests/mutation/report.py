"""The report of a mutation run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.mutation.trial import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutation.mutants import Mutant
    from tests.mutation.trial import Verdict

__all__ = ["Report"]


class Report:
    """Counts the faults by package, and names each fault that no test has noticed."""

    def __init__(self) -> None:
        self.survivors: list[tuple[Mutant, Verdict]] = []
        self._noticed: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._left = 0

    def add(self, found: tuple[Mutant, Verdict] | None) -> None:
        """Count one fault. None stands for a fault that was not tried for lack of time."""
        if found is None:
            self._left += 1
            return
        mutant, verdict = found
        package = mutant.path.partition("/")[0]
        self._made[package] += 1
        if verdict.outcome is Outcome.NOTICED:
            self._noticed[package] += 1
        else:
            self.survivors.append(found)

    def lines(self) -> Iterator[str]:
        """The survivors, sorted by file and line, and then the counts."""
        for mutant, verdict in sorted(self.survivors, key=lambda one: (one[0].path, one[0].line)):
            yield f"{mutant}: {verdict.outcome}"
        for package, made in sorted(self._made.items()):
            yield _share(package, self._noticed[package], made)
        if self._made:
            yield _share("all", self._noticed.total(), self._made.total())
        if self._left:
            yield f"{self._left} faults were left out for lack of time"


def _share(what: str, noticed: int, made: int) -> str:
    return f"{what}: {noticed} of {made} noticed ({100 * noticed / made:.0f} %)"
