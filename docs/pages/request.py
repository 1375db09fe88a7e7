"""The page about requests: what `run_sandboxed` takes."""

from __future__ import annotations

from collections.abc import Iterable

from config import parse_bytes
from config.settings import Settings
from config.variables import variable_of
from docs.pages.source import table
from sandbox.limits import RULES, Rule
from sandbox.request import ARGUMENTS

__all__ = ["request_page"]

_HEAD = """# Requests

This page describes `run_sandboxed(cmd, runtime=None, *, …)`, the task `cellblock.run_sandboxed`. The same
names are options of `cellblock run` and `submit`. A request is checked in the app, if the app imports
`tasks`, and again by the worker. A request that is refused raises `InvalidJob` with one sentence, and no
container is made.

"""

_LIMITS = """
## Limits

A request for more than the operator allows is an error that names the maximum. It is never lowered silently.
Sizes are bytes, or text with k, m or g (binary multiples). If a job does not set a limit, its runtime's own
`limits` in the catalogue count, then the setting.

"""

_MEANINGS = {
    "cmd": "text for the cell's shell (`bash -c` for the runtime bash, where its image has bash; else"
    " `/bin/sh -c`); a list, which is executed as it is; or `None`, to run `files` in"
    " the way of their runtime",
    "runtime": "a name in the [catalogue](runtimes.md), or an alias there; if it is `None`, it is derived"
    " from `files`, else `bash`",
    "entry": "a path in `files`: the file that starts, if there is no `cmd` and the runtime would choose"
    " another",
    "timeout": "seconds of wall time until SIGTERM to every process of the job",
    "grace": "seconds from then to SIGKILL",
    "memory": "of all its processes and of what it writes; swap is never added",
    "cpus": "cores: processor time per second of wall time",
    "pids": "processes and threads; the supervisor takes two of them",
    "disk": "size of `/workspace`, and again of `/tmp` and of `/dev/shm`",
    "output_limit": "how much of each stream is kept, from its head and its tail; the rest is counted. At 64"
    " times as much the job is stopped. Stored as JSON, a stream takes at most twice this: control"
    " characters and bytes that are no text take several times their size in JSON, and are cut sooner",
    "cpu_time": "seconds of processor time, of all its processes together; at this limit the job is killed:"
    ' `timed_out`, with `limit` "cpu_time". Time that it sleeps or waits does not count',
    "stack": "stack of each process and, with most C libraries, of each thread; soft and hard",
    "stdin": 'the job\'s standard input, then its end: text, or `{"base64": …}`',
    "env": "`{name: value}`, added to the job's environment; at most 1024",
    "files": '`{path: text, {"base64": …} or {"ref": "sha256:…"}}`, written under `/workspace` before the'
    " command starts. What chooses a runtime and a start sees only the name of a file by ref."
    " At most `CELLBLOCK_MAX_FILES` files, and together with `stdin` at most `CELLBLOCK_MAX_INPUT`, where"
    " each file also counts its path and 1 KiB; files by ref count only against `disk` and `memory`",
    "artifacts": "a list of patterns such as `out/*.png`: files under `/workspace` to bring back, together at"
    " most `CELLBLOCK_MAX_ARTIFACTS`, and at most 256 files; at most 256 patterns, of 64 KiB together",
    "artifacts_as": '"inline", or "ref": each artifact is stored once as a blob, by its digest, and the'
    " result has its ref. Then the bound is the job's disk and the blob store, not `CELLBLOCK_MAX_ARTIFACTS`",
    "workspace": "the `workspace` of an earlier result, unpacked under `/workspace` before `files`",
    "keep_workspace": "true: store `/workspace` as it is at the end, however the job ended, with modes,"
    " links, times and empty folders; the result's `workspace` is its ref",
    "runs": "a list of objects with `name`, `args`, `stdin`, `env`, `files`, `timeout`, `cpu_time`, `memory`"
    " and `expected`, all optional: the files are compiled once, and then each run gets a fresh cell of its"
    " own. What a run does not give is that of the job; its `args` follow the command. As many runs go on"
    " together as the job has `cpus`, which they share. At most `CELLBLOCK_MAX_RUNS`; together at most"
    " `CELLBLOCK_MAX_INPUT` of input and `CELLBLOCK_MAX_TIMEOUT` of time. See"
    " [Grade homework](../how-to/grade-homework.md)",
    "compare": "how `expected` is compared with the output of a run: "
    '"exact"; "lines" (the default), without white space at the ends of lines and of the whole; "tokens",'
    ' word by word; `{"float": 1e-6}`, the same, where numbers may differ by that much, absolute or relative',
    "stop_on_failure": "true: the first run that fails, or is not accepted, ends the job",
    "network": "true, or a list of the hosts that the job may reach; refused unless the operator allows it",
    "check": "true: every status but `succeeded` raises `CommandFailed`, and the task's state is FAILURE",
}


def request_page() -> str:
    """Every argument with its unit, default, maximum and meaning."""
    limits = [rule.name for rule in RULES]
    rest = [name for name in ARGUMENTS if name not in limits]
    return (
        _HEAD
        + table(("argument", "what it is"), _meanings(["cmd", "runtime", *rest]))
        + _LIMITS
        + table(("argument", "what it limits"), _meanings(limits))
        + "\n"
        + table(("argument", "default", "at most", "at least"), map(_values, RULES))
    )


def _meanings(names: Iterable[str]) -> list[tuple[str, ...]]:
    return [(f"`{name}`", _MEANINGS[name]) for name in names]


def _values(rule: Rule) -> tuple[str, ...]:
    return (
        f"`{rule.name}`",
        f"{_shown(rule)}, `{_variable(_FIELDS.get(rule.default, rule.default))}`",
        f"{rule.show(_default(rule.maximum) or 0)}, `{_variable(rule.maximum)}`",
        rule.show(rule.least),
    )


def _shown(rule: Rule) -> str:
    default = _default(rule.default)
    return "none" if default is None else rule.show(default)


def _variable(field: str) -> str:
    return variable_of(field, Settings.model_fields)


# Limits whose default is computed from another field.
_FIELDS = {"timeout_s": "docker_timeout_ms"}


def _default(name: str) -> float | None:
    """The default of a setting. The environment of this process does not affect the page."""
    default = Settings.model_fields[_FIELDS.get(name, name)].default
    if default is None:
        return None
    if name == "timeout_s":
        return float(default) / 1000
    return float(parse_bytes(default) if isinstance(default, str) else default)
