"""What a real worker stores for an app that knows only the name of the task."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import CommandFailed, InvalidJob
from tests.programs import ROOT
from tests.tasks.conftest import ANSWER_S, TASK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import docker
    from celery import Celery

    from tests.programs import Worker
    from tests.tasks.conftest import Send


def python(program: str, cwd: Path, **env: str) -> str:
    """What `program` prints in a new interpreter."""
    command = [sys.executable, "-c", program]
    outcome = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_the_contracts_call_by_name_works_with_nothing_of_ours(worker: Worker, tmp_path: Path) -> None:
    program = (
        "from celery import Celery; from sys import modules\n"
        f"app = Celery(broker={worker.broker_url!r}, backend={worker.broker_url!r})\n"
        "run_sandboxed = app.signature('cellblock.run_sandboxed', queue='cellblock')\n"
        "print(run_sandboxed.delay('echo hi', 'bash').get(timeout=40)['stdout'], 'tasks' in modules)"
    )
    assert python(program, tmp_path) == "hi\n False\n"


def test_the_contracts_call_in_the_same_venv_works(worker: Worker, tmp_path: Path) -> None:
    program = (
        "from tasks import run_sandboxed\n"
        "print(run_sandboxed.delay(\"python3 -c 'print(6*7)'\", 'python').get(timeout=40)['stdout'])"
    )
    env = {"CELLBLOCK_BROKER_URL": worker.broker_url, "PYTHONPATH": str(ROOT)}
    assert python(program, tmp_path, **env) == "42\n\n"


def test_a_result_has_every_key_of_the_contract(ask: Callable[..., dict[str, Any]]) -> None:
    result = ask("echo out; echo err >&2; echo kept > f; ln -s f l", "bash", artifacts=["*"])
    exact = {
        "status": "succeeded",
        "exit_code": 0,
        "signal": None,
        "stdout": "out\n",
        "stderr": "err\n",
        "stdout_bytes": 4,
        "stderr_bytes": 4,
        "stdout_truncated": False,
        "stderr_truncated": False,
        "runtime": "bash",
        "engine": "docker",
        "warm": False,
        "attempt": 1,
        "artifacts": {"f": {"size": 5, "base64": base64.b64encode(b"kept\n").decode()}},
        "artifacts_skipped": [{"path": "l", "reason": "not a regular file"}],
    }
    assert {key: result.get(key) for key in exact} == exact
    measured = {"duration": float, "cpu_seconds": float, "memory_peak": int, "timings": dict, "worker": str}
    where = {"image": str, "image_id": str, "container": str}
    assert {key: type(result[key]) for key in measured | where} == measured | where
    assert set(result["timings"]) == {"queued", "acquire", "run", "collect", "total"}


@pytest.mark.parametrize(
    ("cmd", "limits", "status", "code"),
    [
        ("true", {}, "succeeded", 0),
        ("exit 3", {}, "failed", 3),
        ("kill -SEGV $$", {}, "signaled", 139),
        ("sleep 30", {"timeout": 0.3, "grace": 0.2}, "timed_out", 143),
        ("exec tail /dev/zero", {"memory": "32m"}, "out_of_memory", 137),
        ("yes", {"output_limit": 1000}, "output_limit", 137),
    ],
)
def test_each_status_is_a_result_and_the_task_has_succeeded(
    send: Send, cmd: str, limits: dict[str, object], status: str, code: int
) -> None:
    handle = send(cmd, "bash", **limits)
    result = handle.get(timeout=ANSWER_S)
    assert (handle.state, result["status"], result["exit_code"]) == ("SUCCESS", status, code)


def test_every_argument_of_the_contract_is_taken(ask: Callable[..., dict[str, Any]]) -> None:
    arguments = {
        "timeout": 10,
        "grace": 0.5,
        "memory": "64m",
        "cpus": 0.5,
        "pids": 16,
        "disk": "1m",
        "output_limit": "4k",
        "stdin": {"base64": "aGk="},
        "env": {"A": "b"},
        "files": {"f": "x"},
        "artifacts": ["f"],
        "network": False,
        "check": True,
    }
    result = ask('cat; echo "$A"; cat f', "bash", **arguments)
    assert (result["stdout"], list(result["artifacts"])) == ("hib\nx", ["f"])


def test_a_job_may_be_sent_to_the_queue_named_cellblock(byname: Celery) -> None:
    handle = byname.send_task(TASK, ["echo here"], queue="cellblock")
    assert handle.get(timeout=ANSWER_S)["stdout"] == "here\n"


def test_a_job_with_files_and_no_command_finds_its_runtime(ask: Callable[..., dict[str, Any]]) -> None:
    result = ask(None, files={"main.py": "print('from a file')"})
    assert (result["runtime"], result["stdout"]) == ("python", "from a file\n")


def test_check_makes_a_failed_command_a_failed_task_that_still_tells_all(send: Send) -> None:
    handle = send("echo partial; exit 3", check=True)
    with pytest.raises(CommandFailed, match="failed with exit code 3") as caught:
        handle.get(timeout=ANSWER_S)
    told = (caught.value.result["stdout"], caught.value.result["exit_code"])
    assert (handle.state, *told) == ("FAILURE", "partial\n", 3)


def test_check_leaves_success_alone(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("true", check=True)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (["true", "cobol"], {}, "There is no runtime 'cobol'"),
        (["true"], {"timeout": 1e9}, "CELLBLOCK_MAX_TIMEOUT"),
        (["true"], {"pids": 10**400}, "too large"),
        (["true"], {"files": {"../x": ""}}, "leads outside /workspace"),
        ([], {}, "missing a required argument"),
        (["true", "bash", 1], {}, "too many positional arguments"),
    ],
    ids=["runtime", "limit", "huge number", "path", "nothing", "too many"],
)
def test_a_bad_request_by_name_fails_at_once_with_one_sentence(
    send: Send, args: list[object], kwargs: dict[str, object], words: str
) -> None:
    handle = send(*args, **kwargs)
    with pytest.raises(InvalidJob, match=words):
        handle.get(timeout=10)
    assert handle.state == "FAILURE"


def test_a_bad_request_makes_no_container(send: Send, engine: docker.APIClient) -> None:
    since = int(time.time())
    handle = send("true", "cobol")
    with pytest.raises(InvalidJob):
        handle.get(timeout=10)
    filters = {"label": f"cellblock.task={handle.id}"}
    assert list(engine.events(since=since, until=int(time.time()) + 1, filters=filters)) == []


def test_shorter_limits_of_the_publisher_do_not_cut_a_job_short(byname: Celery) -> None:
    handle = byname.send_task(TASK, ["sleep 2.5; echo whole"], soft_time_limit=1, time_limit=2)
    assert handle.get(timeout=ANSWER_S)["stdout"] == "whole\n"


def test_the_time_in_the_queue_is_told(ask: Callable[..., dict[str, Any]]) -> None:
    timings = ask("true")["timings"]
    assert 0 <= timings["queued"] < 30


def test_odd_bytes_and_large_output_pass_through_redis(ask: Callable[..., dict[str, Any]]) -> None:
    result = ask(r"printf '\000\377\033[31m'; head -c 900000 /dev/zero | tr '\0' x")
    assert (result["stdout_bytes"], result["stdout"][:7]) == (900_007, "\0\ufffd\x1b[31m")
