"""The page about errors: the tree of exceptions, by whose fault it is."""

from __future__ import annotations

import inspect

from config import InvalidSetting
from docs.pages.source import table
from sandbox.errors import CellblockError, InvalidJob, JobError, OperatorError, SandboxUnavailable

__all__ = ["errors_page"]

_HEAD = """# Errors

A command that fails is a [result](result.md). These are raised for everything else: in the app, where the
request is made and where the result is fetched; by `cellblock.run_sandboxed` in a worker, where the task's
state is then FAILURE. An app with nothing of cellblock installed gets an exception of the same name.

The messages say what happened and what to try; [Troubleshooting](../troubleshooting.md) starts from them.

"""

_COLUMNS = ("error", "raised when", "exit code")

_FAMILIES = {
    JobError: "The job's fault. Never tried again.",
    OperatorError: "The installation's fault: somebody has to mend it.",
    SandboxUnavailable: "Nothing that the job could help. Tried again, after 1, 2, 4… seconds, until it has"
    " been tried `CELLBLOCK_MAX_ATTEMPTS` times; then the task fails with this.",
}


def errors_page() -> str:
    """A table of each family, with what the command line exits with."""
    families = "".join(
        f"\n## {family.__name__}\n\n{says}\n\n" + table(_COLUMNS, _rows(family))
        for family, says in _FAMILIES.items()
    )
    setting = table(
        ("error", "raised when", "exit code"),
        [("`InvalidSetting`", _says(InvalidSetting), _exit(InvalidJob))],
    )
    return f"{_HEAD}All but the last are a `CellblockError`.\n{families}\n## InvalidSetting\n\n{setting}"


def _rows(family: type[CellblockError]) -> list[tuple[str, ...]]:
    own = (f"`{family.__name__}`", _says(family), _exit(family))
    return [own, *(row for error in family.__subclasses__() for row in _rows(error))]


def _says(error: type[Exception]) -> str:
    return " ".join((inspect.getdoc(error) or "").split())


def _exit(error: type[Exception]) -> str:
    """As `cli.main` has it: a wrong request is a wrong call."""
    return "2" if issubclass(error, InvalidJob) else "125"
