"""`cellblock run`: exit codes, streams, files."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import on_a_terminal
from tests.programs import ROOT, run_cli, runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--", "true"], 0),
        (["--", "exit 7"], 7),
        (["--timeout", "0.3", "--grace", "0.1", "--", "sleep 30"], 124),
        (["--", "/etc/passwd"], 126),
        (["--", "/no/such/program"], 127),
        (["--", "kill -SEGV $$"], 139),
        (["--memory", "32m", "--", "exec tail /dev/zero"], 137),
        (["--output-limit", "1000", "--", "yes"], 137),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_exit_codes_follow_docker_run_and_timeout(sandbox: Sandbox, arguments: list[str], code: int) -> None:
    assert run_cli("run", *arguments).returncode == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "give a command"),
        (["run", "--nonsense", "--", "true"], "No such option"),
        (["run", "--timeout", "soon", "--", "true"], "it must be a valid number\n"),
        (["run", "--pids", "1.5", "--", "true"], "it must be a valid integer\n"),
        (["run", "--runtime", "cobol", "--", "true"], "There is no runtime 'cobol'"),
        (["run", "--timeout", "1e9", "--", "true"], "CELLBLOCK_MAX_TIMEOUT"),
        (["run", "--network", "all", "--", "true"], "CELLBLOCK_NETWORK)"),
        (["run", "--network", "example.com", "--", "true"], "CELLBLOCK_NETWORK_HOSTS"),
        (["run", "--env", "novalue", "--", "true"], "K=V"),
        (["run", "--file", "a=/no/such/file", "--", "true"], "No such file"),
        (["run", "--file", "../a=/dev/null", "--", "true"], "leads outside /workspace"),
        (["nonsense"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_exit_2_with_one_message(arguments: list[str], words: str) -> None:
    outcome = run_cli(*arguments)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_an_unreachable_engine_is_exit_125_with_one_sentence() -> None:
    outcome = run_cli("run", "--", "true", CELLBLOCK_DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert (outcome.returncode, outcome.stdout) == (125, "")
    assert outcome.stderr.startswith("cellblock: No container engine answers at unix:///nonexistent")
    assert outcome.stderr.count("\n") == 1


def test_the_streams_are_the_jobs_own(sandbox: Sandbox) -> None:
    outcome = run_cli("run", "--", "echo out; echo err >&2")
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")


def test_messages_go_to_stderr(sandbox: Sandbox) -> None:
    outcome = run_cli("run", "--timeout", "0.3", "--grace", "0", "--", "echo data; sleep 30")
    assert (outcome.stdout, outcome.stderr) == ("data\n", "cellblock: timed out\n")


def test_json_is_the_whole_result(sandbox: Sandbox) -> None:
    outcome = run_cli("run", "--json", "--", "echo out; exit 3")
    result = json.loads(outcome.stdout)
    assert (outcome.returncode, outcome.stderr) == (3, "")
    assert (result["status"], result["stdout"], result["engine"]) == ("failed", "out\n", "docker")


def test_several_words_meet_no_shell(sandbox: Sandbox) -> None:
    assert run_cli("run", "--", "echo", "$HOME").stdout == "$HOME\n"


def test_stdin_env_and_files_go_in(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("file ")
    options = ["--stdin", "-", "--env", "E=env ", "--file", "f=source"]
    outcome = run_cli("run", *options, "--", 'cat f; printf "$E"; cat', stdin="stdin", cwd=tmp_path)
    assert outcome.stdout == "file env stdin"


def test_files_alone_are_run_by_their_runtime(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print(6 * 7)")
    assert run_cli("run", "--file", "main.py", cwd=tmp_path).stdout == "42\n"


def test_listed_hosts_are_reached_by_a_proxy(sandbox: Sandbox) -> None:
    hosts = ["--network", "a.example.com", "--network", "b.example.com"]
    outcome = run_cli("run", *hosts, "--", "echo $https_proxy", CELLBLOCK_NETWORK_HOSTS="*.example.com")
    assert outcome.stdout.startswith("http://")


def test_artifacts_come_back_into_this_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    outcome = run_cli("run", "--artifact", "out/*", "--", "mkdir out; echo kept > out/a", cwd=tmp_path)
    assert (tmp_path / "out" / "a").read_text() == "kept\n"
    assert outcome.stderr == "cellblock: saved out/a (5 B)\n"


def test_the_legacy_mode_says_so_each_time() -> None:
    outcome = run_cli("run", "--", "echo here", ENABLE_DOCKER="false")
    assert outcome.stdout == "here\n"
    assert "no isolation (ENABLE_DOCKER=false)" in outcome.stderr


def test_an_interrupt_is_exit_130_and_leaves_no_job(sandbox: Sandbox) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    options = ["--timeout", "60", "--env", f"N={unique}"]
    command = [sys.executable, "-m", "cli", "run", *options, "--", 'exec sleep "$N"']
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"CELLBLOCK_PULL": "never"})
    wait_until(lambda: runs(f"sleep {unique}"), 20, "the job runs")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    wait_until(lambda: not runs(f"sleep {unique}"), 10, "the job is gone")


def test_output_comes_while_the_job_runs_and_byte_by_byte(sandbox: Sandbox) -> None:
    command = [sys.executable, "-m", "cli", "run", "--", r"printf 'now\377\0\n'; sleep 30"]
    env = os.environ | {"CELLBLOCK_PULL": "never"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline() == b"now\xff\0\n"
        running.send_signal(signal.SIGINT)
    assert running.returncode == 130


def test_a_reader_that_has_had_enough_ends_the_job(sandbox: Sandbox) -> None:
    command = [sys.executable, "-m", "cli", "run", "--timeout", "30", "--", "yes"]
    env = os.environ | {"CELLBLOCK_PULL": "never"}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.readline()
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()


def test_a_jobs_output_does_not_act_on_a_terminal(sandbox: Sandbox) -> None:
    _, seen = on_a_terminal("run", "--", r"printf '\033]0;owned\007\302\2331m'; printf '\033c' >&2")
    assert (r"\x1b]0;owned\x07\x9b1m" in seen, r"\x1bc" in seen, "\x1b" in seen) == (True, True, False)
