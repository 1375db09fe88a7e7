"""All commands and their options. Scripts rely on each of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cli.main import COMMANDS as MODULES
from cli.main import _wanted, command_line, main
from tests.programs import ROOT, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON: dict[str, object] = {"--json": False}
QUIET: dict[str, object] = {"--quiet -q": False}
LIMITS = ("timeout", "grace", "cpu-time", "memory", "stack", "cpus", "pids", "disk", "output-limit")
A_JOB: dict[str, object] = dict.fromkeys(
    f"--{name}"
    for name in (
        *("runtime", "entry", *LIMITS, "stdin", "env", "file", "artifact", "artifacts-as", "workspace"),
        *("runs", "compare", "network"),
    )
) | {"--keep-workspace": False, "--stop-on-failure": False}

COMMANDS: dict[str, dict[str, object]] = {
    "run": A_JOB | {"--explain": False, "--raw": False} | JSON,
    "submit": A_JOB | {"--wait": False, "--follow": False, "--live": False, "--raw": False} | JSON,
    "result": {"--wait": False, "--raw": False} | JSON,
    "cancel": JSON,
    "logs": {"--follow -f": False, "--after": "0", "--timestamps -t": False, "--raw": False} | JSON,
    "ps": {"--limit": 50} | JSON,
    "worker": {"--concurrency": None, "--autoscale": None},
    "api": {"--host": "127.0.0.1", "--port": 8000},
    "mcp": {"--http": None, "--host": "127.0.0.1", "--tenant": ""},
    "flower": {},
    "doctor": JSON,
    "reap": JSON,
    "health": {},
    "guard": {"--listen": "tcp://127.0.0.1:2375"},
    "blob put": {"--tenant": ""} | JSON,
    "blob get": {"--output -o": None, "--tenant": ""},
    "blob rm": {"--tenant": ""},
    "images ls": JSON,
    "images lock": QUIET,
    "images pull": QUIET | {"--force --no-force": False},
    "images build": QUIET | {"--force --no-force": False},
    "images prune": QUIET | {"--all": False},
}


def whole() -> Any:
    return typer.main.get_command(command_line(*MODULES))


@pytest.mark.parametrize("group", [(), ("images",), ("blob",)])
def test_no_line_of_a_list_of_commands_is_cut(group: tuple[str, ...]) -> None:
    listed = run_cli(*group, "--help").stdout
    assert "Commands:" in listed
    assert [line for line in listed.partition("Commands:")[2].splitlines() if line.endswith("...")] == []


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Each command of the group and of its subgroups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def options(command: Any) -> dict[str, object]:
    """The command's options with their defaults."""
    given = (one for one in command.params if one.opts[0].startswith("-"))
    return {" ".join((*one.opts, *one.secondary_opts)): one.default for one in given}


def test_each_command_has_its_options_with_their_defaults() -> None:
    assert {name: options(command) for name, command in commands(whole())} == COMMANDS


def test_what_a_worker_and_flower_do_not_know_goes_to_celery() -> None:
    passing = {"allow_extra_args": True, "ignore_unknown_options": True}
    found = {name: command.context_settings for name, command in commands(whole())}
    assert {name for name, settings in found.items() if passing.items() <= settings.items()} == {
        "worker",
        "flower",
    }
    assert not any(
        settings.get("allow_extra_args")
        for name, settings in found.items()
        if name not in ("worker", "flower")
    )


def test_a_command_imports_nothing_that_only_others_need() -> None:
    program = "import sys; from cli.main import command_line; command_line('run'); print(*sys.modules)"
    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"celery", "kombu", "redis", "flower"}.isdisjoint(outcome.stdout.split())


@pytest.mark.parametrize(
    ("words", "completion", "wanted"),
    [
        (["run", "--help"], "", ["run"]),
        (["images", "ls"], "", ["images"]),
        ([], "", list(MODULES)),
        (["--help"], "", list(MODULES)),
        (["rum"], "", list(MODULES)),
        (["run"], "complete_bash", list(MODULES)),
    ],
)
def test_a_list_a_completion_and_a_wrong_word_need_every_command_and_a_call_only_its_own(
    monkeypatch: pytest.MonkeyPatch, words: list[str], completion: str, wanted: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cellblock", *words])
    if completion:
        monkeypatch.setenv("_CELLBLOCK_COMPLETE", completion)
    assert _wanted() == wanted


def test_an_error_that_nobody_expects_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cli.main.command_line", fail)
    with pytest.raises(ZeroDivisionError):
        main()


def test_it_says_its_version() -> None:
    done = run_cli("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "cellblock")
    assert done.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize("command", ["run", "submit"])
def test_an_option_of_the_jobs_own_command_is_taken_for_none_of_ours_behind_two_dashes(command: str) -> None:
    done = run_cli(command, "ls", "-la")
    assert (done.returncode, f"Try: cellblock {command} [OPTIONS] -- COMMAND" in done.stderr) == (2, True)
    assert "Try: cellblock" not in run_cli(command, "--nope", "--", "ls").stderr
