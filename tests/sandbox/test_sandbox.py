"""The sandbox of a process: its settings and runtimes, the owner of its jobs, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import InvalidJob, Result, Sandbox, Status
from sandbox.cell import JobTags
from sandbox.engines.host.engine import HostEngine
from sandbox.result import Stage, Timings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_settings_of_the_environment_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    monkeypatch.setenv("CELLBLOCK_PIDS", "77")
    with Sandbox() as sandbox:
        assert sandbox.parse("true").limits.pids == 77
        assert isinstance(sandbox._cells._engine, HostEngine)


def test_it_has_the_operators_runtimes_and_refuses_what_no_job_has(tmp_path: Path) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text('[mine]\nimage = "x"\n[mine.limits]\npids = 9\n')
    with Sandbox(load_settings(enable_docker=False, runtimes=catalogue)) as sandbox:
        assert sandbox.parse("true", "mine").limits.pids == 9
        for call in (sandbox.run, sandbox.parse):
            with pytest.raises(InvalidJob, match="There is no argument 'colour'"):
                call("true", "mine", colour="red")


def test_a_job_for_a_task_says_whose_it_is(host: Sandbox) -> None:
    job = host.parse("true")
    result = host.run_job(job, JobTags("t", "w@h", attempt=3, queued_s=1.5))
    assert (result.worker, result.attempt, result.timings.queued) == ("w@h", 3, 1.5)
    alone = host.run_job(job)
    assert (alone.worker, alone.attempt, alone.timings.queued) == ("", 1, 0.0)


def test_as_much_comes_back_as_the_operator_allows(tmp_path: Path) -> None:
    with Sandbox(load_settings(enable_docker=False, max_artifacts=5)) as sandbox:
        result = sandbox.run("printf 12345 > a; printf 123456 > b", artifacts=["*"])
    assert (list(result.artifacts), [one.reason for one in result.artifacts_skipped]) == (
        ["a"],
        ["larger than 5 B"],
    )


def test_a_job_of_which_no_cell_can_tell_has_a_result_all_the_same() -> None:
    result = Result.without_report(
        Status.TIMED_OUT,
        runtime="bash",
        engine="docker",
        worker="w",
        attempt=2,
        container="c",
        duration_s=3.0,
        queued_s=1.0,
        stdout="é",
        stderr="x",
    )
    assert (result.status, result.exit_code, result.signal, result.stage) == (
        "timed_out",
        None,
        None,
        Stage.RUN,
    )
    assert result.timings == Timings(queued=1.0, acquire=0.0, run=3.0, collect=0.0, total=4.0)
    assert (result.stdout, result.stdout_bytes, result.stderr, result.stderr_bytes) == ("é", 2, "x", 1)
    assert (result.duration, result.container, result.worker, result.attempt) == (3.0, "c", "w", 2)
    assert (result.warm, result.stdout_truncated, result.stderr_truncated) == (False,) * 3
    unknown = (result.cpu_seconds, result.memory_peak, result.compile_seconds, result.image, result.image_id)
    assert unknown == (None,) * 5


def test_as_json_a_result_is_plain_text_and_numbers(host: Sandbox) -> None:
    told = host.run("echo x > a", artifacts=["a", "b"]).to_dict()
    assert (type(told["status"]), type(told["stage"]), told["status"], told["stage"]) == (
        str,
        str,
        "succeeded",
        "run",
    )
    assert told["artifacts"] == {"a": {"size": 2, "base64": "eAo="}}
    assert told["artifacts_skipped"] == [{"path": "b", "reason": "no such file"}]
    assert list(told)[:5] == ["status", "exit_code", "signal", "limit", "duration"]
