"""Prints what a worker's image needs.

python deploy/requirements.py <constraints.txt
    The pinned packages, with the hashes. What only the tests and the pages need is left out. The comments in
    the file, which uv wrote, say which package requires which.

python deploy/requirements.py EXTRA… <pyproject.toml
    What our own package itself requires, with these extras.
"""

from __future__ import annotations

import re
import sys
import tomllib

_ENTRY = re.compile(r"^(?P<name>[\w.-]+)==.*?(?=^\S+==|\Z)", re.MULTILINE | re.DOTALL)
_OURS = "cellblock (pyproject.toml)"
# The package that builds our own package.
_BUILDER = "hatchling"


def needed(constraints: str) -> str:
    """The entries that our package requires, and those that they require in turn."""
    entries = [(match["name"], match[0]) for match in _ENTRY.finditer(constraints)]
    wanted, before = {_OURS}, set[str]()
    while wanted != before:
        before = set(wanted)
        wanted |= {name for name, entry in entries if name == _BUILDER or wanted & set(_askers(entry))}
    return "".join(entry for name, entry in entries if name in wanted)


def _askers(entry: str) -> list[str]:
    comments = (line.strip() for line in entry.splitlines() if line.lstrip().startswith("#"))
    return [comment.removeprefix("#").strip().removeprefix("via").strip() for comment in comments]


def direct(pyproject: str, extras: list[str]) -> str:
    """The requirements of our own package with these extras, one on each line."""
    project = tomllib.loads(pyproject)["project"]
    optional = [one for extra in extras for one in project["optional-dependencies"][extra]]
    return "".join(f"{one}\n" for one in [*project["dependencies"], *optional])


if __name__ == "__main__":
    given, extras = sys.stdin.read(), sys.argv[1:]
    print(direct(given, extras) if extras else needed(given), end="")
