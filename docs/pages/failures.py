"""The page about errors: the tree of exceptions, grouped by who is at fault."""

from __future__ import annotations

import inspect

from config import InvalidSetting
from docs.pages.source import table
from sandbox.errors import CellblockError, InvalidJob, JobError, OperatorError, SandboxUnavailable

__all__ = ["errors_page"]

_HEAD = """# Errors

A command that fails is a [result](result.md). For everything else one of these errors is raised: in the app,
where the request is made and where the result is fetched; and in a worker by `cellblock.run_sandboxed`, whose
state is then FAILURE. An app without cellblock installed gets an exception of the same name.

The messages say what happened and what to try; [Troubleshooting](../troubleshooting.md) starts from them.

"""

_COLUMNS = ("error", "raised when", "exit code")

_FAMILIES = {
    JobError: "The job's fault. The job is never tried again.",
    OperatorError: "The installation's fault: an operator has to repair it.",
    SandboxUnavailable: "Not the job's fault. The job is tried again, after 1, 2, 4… seconds, until it has"
    " been tried `CELLBLOCK_MAX_ATTEMPTS` times. Then the task fails with this error.",
}


def errors_page() -> str:
    """A table of each family, with the exit codes of the command line."""
    families = "".join(
        f"\n## {family.__name__}\n\n{says}\n\n" + table(_COLUMNS, _rows(family))
        for family, says in _FAMILIES.items()
    )
    setting = table(
        ("error", "raised when", "exit code"),
        [("`InvalidSetting`", _says(InvalidSetting), _exit(InvalidJob))],
    )
    bases = "All except the last are subclasses of `CellblockError`.\n"
    return f"{_HEAD}{bases}{families}\n## InvalidSetting\n\n{setting}"


def _rows(family: type[CellblockError]) -> list[tuple[str, ...]]:
    own = (f"`{family.__name__}`", _says(family), _exit(family))
    return [own, *(row for error in family.__subclasses__() for row in _rows(error))]


def _says(error: type[Exception]) -> str:
    return " ".join((inspect.getdoc(error) or "").split())


def _exit(error: type[Exception]) -> str:
    """The exit code that `cli.main` gives: an invalid request counts as wrong usage."""
    return "2" if issubclass(error, InvalidJob) else "125"
