# Made by `python docs/generate.py` from sandbox/runs/request.py. Change it there.
"""Reads the `runs` of a request, as far as that needs no settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cellblock.shared.errors import InvalidJob
from cellblock.shared.inputs import read_env, read_files
from cellblock.shared.payload import decode_content, decode_text
from cellblock.shared.quoting import quoted

__all__ = ["RUN_LIMITS", "RUN_NAMES", "RunRequest", "read_runs"]

#: The limits that a run may have of its own.
RUN_LIMITS = ("timeout", "cpu_time", "memory")
RUN_NAMES = ("name", "args", "stdin", "env", "files", *RUN_LIMITS, "expected")

_NAME_BYTES = 256
# As many as one command may have.
_MOST_ARGUMENTS = 16_384


class RunRequest(NamedTuple):
    """One of the runs. None: the job's own. `limits` are as they were asked for."""

    name: str
    args: tuple[str, ...]
    stdin: bytes | None
    env: Mapping[str, str]
    files: Mapping[str, bytes]
    refs: Mapping[str, str]
    limits: Mapping[str, object]
    expected: str | None


def read_runs(runs: object) -> tuple[RunRequest, ...]:
    """The runs of a request; none if it has no list of runs.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    if runs is None:
        return ()
    if isinstance(runs, str | bytes) or not isinstance(runs, Sequence) or not runs:
        raise InvalidJob('runs: give a list of runs, such as [{"stdin": "1 2", "expected": "3"}].')
    return tuple(_read(f"runs[{index}]", index, run) for index, run in enumerate(runs))


def _read(where: str, index: int, run: object) -> RunRequest:
    if not isinstance(run, Mapping):
        raise InvalidJob(f'{where}: give an object, such as {{"stdin": "1 2", "expected": "3"}}.')
    if unknown := set(run) - set(RUN_NAMES):
        raise InvalidJob(
            f"{where}: there is no {quoted(min(map(str, unknown)))}. There are: {', '.join(RUN_NAMES)}."
        )
    stdin, expected = run.get("stdin"), run.get("expected")
    given = read_files(run.get("files"), f"{where}.files")
    return RunRequest(
        name=_name(where, index, run.get("name")),
        args=_args(where, run.get("args")),
        stdin=None if stdin is None else decode_content(f"{where}.stdin", stdin),
        env=read_env(run.get("env"), f"{where}.env"),
        files=given.contents,
        refs=given.refs,
        limits={name: run[name] for name in RUN_LIMITS if run.get(name) is not None},
        expected=None if expected is None else _text(f"{where}.expected", expected),
    )


def _name(where: str, index: int, name: object) -> str:
    if name is None:
        return str(index + 1)
    text = decode_text(f"{where}.name", name)
    if len(text.encode()) > _NAME_BYTES:
        raise InvalidJob(f"{where}.name is longer than {_NAME_BYTES} bytes.")
    return text


def _args(where: str, args: object) -> tuple[str, ...]:
    if args is None:
        return ()
    if isinstance(args, str | bytes) or not isinstance(args, Sequence) or len(args) > _MOST_ARGUMENTS:
        raise InvalidJob(f"{where}.args: give a list of at most {_MOST_ARGUMENTS} texts.")
    return tuple(decode_text(f"{where}.args[{index}]", part) for index, part in enumerate(args))


def _text(where: str, value: object) -> str:
    """Content as text, as a run's output becomes text."""
    return decode_content(where, value).decode("utf-8", "replace")
