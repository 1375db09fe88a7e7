"""The lines of the product that have changed since a commit."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict

from tests.mutation.paths import PACKAGES, ROOT

__all__ = ["changed_lines"]

_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def changed_lines(since: str) -> dict[str, set[int]]:
    """For each file, the numbers of the lines that were added or changed since the commit."""
    command = ["git", "diff", "--unified=0", "--no-color", since, "--", *PACKAGES]
    diff = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return parse_diff(diff)


def parse_diff(diff: str) -> dict[str, set[int]]:
    """The added lines of a diff without context lines."""
    lines: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        elif (match := _HUNK.match(line)) and path.endswith(".py"):
            first, count = int(match[1]), int(match[2] or 1)
            lines[path].update(range(first, first + count))
    return dict(lines)
