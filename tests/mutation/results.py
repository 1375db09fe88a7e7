"""The results of earlier faults, in a file, so that unchanged faults are not tried again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.mutation.paths import FOLDER, ROOT
from tests.mutation.trial import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.mutation.mutants import Mutant

__all__ = ["Results"]


class Results:
    """A verdict stays valid until the file of the fault or the files of its tests change."""

    def __init__(self) -> None:
        self._file = FOLDER / "results.jsonl"
        self._known: dict[str, Verdict] = {}
        if self._file.is_file():
            for line in map(json.loads, self._file.read_text().splitlines()):
                self._known[line["key"]] = Verdict(Outcome(line["outcome"]), line["test"])

    def get(self, mutant: Mutant, tests: Sequence[str]) -> Verdict | None:
        """The stored verdict, or None."""
        return self._known.get(_key(mutant, tests))

    def add(self, mutant: Mutant, tests: Sequence[str], verdict: Verdict) -> None:
        """Store the verdict."""
        key = _key(mutant, tests)
        self._known[key] = verdict
        FOLDER.mkdir(exist_ok=True)
        with self._file.open("a") as file:
            entry = {"key": key, "mutant": str(mutant), "outcome": verdict.outcome, "test": verdict.test}
            file.write(json.dumps(entry) + "\n")


def _key(mutant: Mutant, tests: Sequence[str]) -> str:
    digest = hashlib.sha256(mutant.source().encode())
    for name in sorted({test.partition("::")[0] for test in tests}):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()
