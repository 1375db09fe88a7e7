"""Writes what is made from the code: pages of `docs/reference`, and modules that the client shares.

With --check, says which are stale.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from config import format_bytes, load_catalogue
from config.runtimes import Runtime, RuntimeLimits, Start
from config.settings import Settings
from config.variables import variable_of
from docs.pages.command_line import command_line_page
from docs.pages.failures import errors_page
from docs.pages.http import http_page
from docs.pages.metrics import metrics_page
from docs.pages.request import request_page
from docs.pages.result import result_page
from docs.shared_modules import shared_modules
from tests.engines import ENGINES

REFERENCE = Path(__file__).with_name("reference")

SETTINGS_HEAD = """# Settings

A worker, and an app that imports `tasks`, read these from their environment: give both the same values.
Each value can also come from a file, which `<NAME>_FILE` names. Sizes are bytes, or a number with k, m or g
(binary multiples). A bad value stops a worker at its start, with the name, the value and what is allowed.

| variable, default | meaning |
|---|---|
"""


def settings_page() -> str:
    """The table of all settings."""
    rows = (
        f"| `{variable_of(name, Settings.model_fields)}`{shown(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    return SETTINGS_HEAD + "".join(rows)


def shown(default: object) -> str:
    """A default value below its variable, as it is written in the environment."""
    if default is None or default == "":
        return ""
    text = default.get_secret_value() if isinstance(default, SecretStr) else str(default)
    return f"<br>`{text.lower() if isinstance(default, bool) else text}`"


RUNTIMES_HEAD = """# Runtimes

This page shows the built-in catalogue, [config/runtimes.toml](../../config/runtimes.toml). An operator's own
file (`CELLBLOCK_RUNTIMES`) adds runtimes, or replaces keys of these: see
[Add a runtime](../how-to/add-a-runtime.md).

A job that names no runtime gets the one that its files belong to: by extension, then by shebang, then by
name. If the files belong to several runtimes, the one counts that owns those in the highest folder; if that
is not one either, the one that owns a main file there (`main`, `app`, `index`, `program`, `__main__`).
Otherwise the job is refused and the error names them. A job with `entry` belongs to the runtime of that
file. `cellblock run --explain` says which runtime was chosen and why, which file starts, and by which
commands.

A job with `files` and no `cmd` is started by the first row that matches one of its files. Upper and lower
case are the same. `{entry}` is the job's own `entry`, or the file that the row finds; `{all}` is every file
that the row matches. A row may ask for more than a name: the head of
[config/runtimes.toml](../../config/runtimes.toml) explains its keys. In Java the class that starts is the
one that declares `main`, and a file may have any name. A shell script is run by the shell that its `#!`
line names, or by bash. In an image without bash, `/bin/sh` runs it and one sentence on its standard error
says so.

## Memory

Java, .NET and Node get a heap of three quarters of the cell's memory, so that their collectors run in time.
The rest is for the runtime itself. A program whose heap is full ends in a way of its language's own, and
its status is `out_of_memory`. So is that of a program that fails because it asked for too much at once, such
as for one huge array:

| runtime | what shows that there was no memory |
|---|---|
| java | the file `/tmp/.heap-report`, by a command of the JVM; or the error at the end: `OutOfMemoryError` |
| node | Node leaves its report in that file, and aborts; or its error is `Array buffer allocation failed` |
| dotnet | the program aborts (SIGABRT), and has used three quarters of the memory, or says why it aborts |
| python | the error that ends the program is `MemoryError`, or numpy's |
| cpp | the error that ends the program is `std::bad_alloc`; a program in C must say so in its own way |

Where an error shows it, it is at the end of the program's standard error. A program that catches the error
and succeeds has succeeded. A program can leave such a file or write such a line by itself: this turns
`failed` or `signaled` into `out_of_memory`, and does nothing else.

A command of your own that starts Node or .NET gets the same heap, by variables. One that starts Java gets it
in the local image, whose `java` and `javac` read the variables below, and options of the command win over
them: `-Xmx`, or `-XX:MaxRAMPercentage`, which is a share of the cell's memory. With `-XX` options of its own
it gets the heap's size alone. In the official image, where nothing reads these variables, name a size
yourself, as in `java -Xmx384m Main` for a cell of `512m`: there Java takes a quarter of the cell's memory
on Docker, and on the engine `oci` a quarter of the machine's, which the kernel may end.
"""


def runtimes_page() -> str:
    """A section for each runtime of the catalogue."""
    return RUNTIMES_HEAD + "".join(map(runtime_section, load_catalogue().values()))


def runtime_section(runtime: Runtime) -> str:
    """How one runtime is recognised, started and limited."""
    facts = {
        "image": ", else ".join(f"`{image}`" for image in runtime.images),
        "extensions": listed(runtime.extensions),
        "shebangs": listed(runtime.shebangs),
        "names": listed(runtime.names),
        "other names of the runtime": listed(runtime.aliases),
        "image of the compiler": f"`{runtime.compile_image}`" if runtime.compile_image else "",
        "environment": listed(f"{name}={value}" for name, value in runtime.env.items()),
        "limits": limits_shown(runtime.limits),
        "limits of the compiler": limits_shown(runtime.compile_limits),
    }
    rows = "".join(f"| {what} | {value} |\n" for what, value in facts.items() if value)
    starts = "".join(map(start_row, runtime.start))
    return (
        f"\n## {runtime.name}\n\n| | |\n|---|---|\n{rows}\n| files | compile | run |\n|---|---|---|\n{starts}"
    )


def start_row(start: Start) -> str:
    """One row of the table of starts."""
    compiled = f"`{' '.join(start.compile)}`" if start.compile else ""
    return f"| {listed(start.files)} | {compiled} | `{' '.join(start.run)}` |\n"


def limits_shown(limits: RuntimeLimits) -> str:
    """The limits that differ from those of the settings, as a job would ask for them."""
    given = limits.model_dump(exclude_none=True)
    sizes = {"memory", "disk", "output_limit", "stack"}
    return ", ".join(
        f"{name} {format_bytes(value) if name in sizes else f'{value:g}'}" for name, value in given.items()
    )


def listed(values: Iterable[str]) -> str:
    """Values as code, with commas between."""
    return ", ".join(f"`{value}`" for value in values)


GUARANTEES_HEAD = """# Guarantees

Each line is a test of [tests/hostile](../../tests/hostile). The tests run hostile programs in real cells,
on real engines: `docker`, `oci` with crun, and `oci` with runc. The line says what must hold. Where the last
column says `docker`, the engine has no part in what the test shows, or only Docker can do it. Where it says
`oci`, only that engine gives it. After each family a well-behaved job must run, and nothing may be left
behind. [Security](../security.md) says what cells protect, and what they can't.
"""

HOSTILE = REFERENCE.parents[1] / "tests" / "hostile"
#: The engine at the start of a case's name.
ENGINE = re.compile(rf"^({'|'.join(map(re.escape, ENGINES))})(-|$)")


def guarantees_page() -> str:
    """A table of each family of hostile tests, from their names."""
    cases = hostile_cases()
    return GUARANTEES_HEAD + "".join(
        family_section(HOSTILE / module, cases[module]) for module in sorted(cases)
    )


def hostile_cases() -> dict[str, dict[str, dict[str, set[str]]]]:
    """For each test of each module its cases, as pytest collects them, and the engines that each runs on."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", str(HOSTILE)]
    root, env = HOSTILE.parents[1], os.environ | {"PYTEST_ADDOPTS": ""}
    collected = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    modules: dict[str, dict[str, dict[str, set[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(set))
    )
    found = re.findall(r"^\S*/(test_\w+\.py)::(\w+)(?:\[(.*)\])?$", collected.stdout, re.MULTILINE)
    for module, name, case in found:
        engine = ENGINE.match(case)
        modules[module][name][ENGINE.sub("", case)].add(engine[1] if engine else "docker")
    return modules


def family_section(path: Path, tests: dict[str, dict[str, set[str]]]) -> str:
    """The docstring and the tests of one module, with their cases."""
    title = path.stem.removeprefix("test_").replace("_", " ").capitalize()
    says = ast.get_docstring(ast.parse(path.read_text()))
    total = sum(map(len, tests.values()))
    head = (
        f"[{says}](../../tests/hostile/{path.name})\n\n| what holds | {total} cases | on |\n|---|---|---|\n"
    )
    rows = (
        f"| {sentence(name)}{worded(list(cases))} | {len(cases)} | {engines_of(cases)} |\n"
        for name, cases in tests.items()
    )
    return f"\n## {title}\n\n{head}{''.join(rows)}"


def engines_of(cases: dict[str, set[str]]) -> str:
    """The engines that a test with these cases runs on."""
    engines = set().union(*cases.values())
    if engines == set(ENGINES):
        return "all"
    return ", ".join(sorted({f"`{engine.partition('+')[0]}`" for engine in engines}))


def sentence(test: str) -> str:
    """A test's name as a sentence."""
    words = test.removeprefix("test_").replace("_t_", "'t ").replace("_", " ")
    return words[0].upper() + words[1:]


def worded(cases: list[str]) -> str:
    """The names of the cases, if they are readable words; otherwise nothing."""
    if len(cases) < 2 or not all(re.fullmatch(r"[\w './:,-]+", case) for case in cases):
        return ""
    return ": " + ", ".join(case.replace("_", r"\_") for case in cases)


PAGES = {
    "command-line.md": command_line_page,
    "errors.md": errors_page,
    "guarantees.md": guarantees_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "request.md": request_page,
    "result.md": result_page,
    "runtimes.md": runtimes_page,
    "settings.md": settings_page,
}


def main() -> int:
    """Write the files, or check them. Returns the exit code: with --check, the number of stale files."""
    files = {REFERENCE / name: page() for name, page in PAGES.items()} | shared_modules()
    stale = [path for path, content in files.items() if not current(path, content)]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.relative_to(REFERENCE.parents[1])} is stale. Try: python docs/generate.py")
        else:
            path.write_text(files[path])
    return len(stale) if "--check" in sys.argv else 0


def current(path: Path, content: str) -> bool:
    """Whether the file exists and has this content."""
    return path.exists() and path.read_text() == content


if __name__ == "__main__":
    sys.exit(main())
