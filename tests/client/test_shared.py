"""The client and the workers have one source for results, errors, checks and live output."""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

import pytest

import cellblock
from cellblock import CommandFailed, Request, UnreadableResult
from cellblock.result import read_result
from docs.shared_modules import FOLDER, shared_modules
from sandbox import Result, Status, errors
from sandbox.request import ARGUMENTS
from sandbox.result import Artifact, Limit, RunResult, SkippedArtifact


def stored(**more: object) -> dict[str, Any]:
    """A result as a worker stores it."""
    result = Result.without_report(Status.SUCCEEDED, runtime="bash", engine="docker", worker="w", attempt=1)
    return result.to_dict() | more


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {path.name: text for path, text in shared_modules().items()}


def test_the_shared_modules_are_those_of_the_workers(made: dict[str, str]) -> None:
    kept = {path.name: path.read_text() for path in FOLDER.glob("*.py") if path.name != "__init__.py"}
    assert kept == made


def test_only_what_is_asked_for_is_taken_with_all_that_it_uses(made: dict[str, str]) -> None:
    assert "def is_tenant" in made["tenants.py"]
    assert "_TENANT = re.compile" in made["tenants.py"]
    assert "weight" not in made["tenants.py"].partition("import")[2]


def test_every_argument_of_a_job_has_a_type() -> None:
    assert set(Request.__annotations__) == set(ARGUMENTS)


def test_every_error_of_the_workers_has_its_name_in_the_client() -> None:
    assert set(errors.__all__) <= set(cellblock.__all__)
    assert all(issubclass(getattr(cellblock, name), Exception) for name in errors.__all__)


def test_everything_that_is_exported_is_there() -> None:
    assert all(hasattr(cellblock, name) for name in cellblock.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'blobs'"):
        _ = cellblock.blobs


def test_a_result_comes_back_as_the_worker_made_it() -> None:
    made = Result.without_report(
        Status.OUT_OF_MEMORY,
        runtime="bash",
        engine="oci",
        worker="w",
        attempt=2,
        memory_peak=5,
        artifacts={"a": Artifact(1, "YQ==")},
        artifacts_skipped=[SkippedArtifact("b", "too large")],
    )
    read = read_result(made.to_dict())
    assert all(getattr(read, one.name) == _plain(read, one.name, made) for one in fields(made))


def test_the_runs_have_the_clients_types() -> None:
    run = RunResult(name="1", status=Status.TIMED_OUT, limit=Limit.CPU_TIME).to_dict()
    read = read_result(stored(runs=[run, run | {"verdict": "accepted", "newer": 1}], verdict="wrong_answer"))

    assert (read.runs[0].limit, read.runs[1].verdict) == (
        cellblock.Limit.CPU_TIME,
        cellblock.RunVerdict.ACCEPTED,
    )
    assert read.verdict is cellblock.RunVerdict.WRONG_ANSWER


def _plain(read: Any, name: str, made: Result) -> Any:
    """A member of `made` with the client's types, which have the worker's names."""
    value = getattr(made, name)
    kind = type(getattr(read, name))
    if kind.__module__.startswith("cellblock") and hasattr(value, "__dataclass_fields__"):
        return kind(**{one.name: getattr(value, one.name) for one in fields(value)})
    return getattr(read, name) if name.startswith("artifacts") else value


def test_the_artifacts_have_the_clients_types() -> None:
    read = read_result(
        stored(
            artifacts={"a": {"size": 1, "base64": "YQ=="}}, artifacts_skipped=[{"path": "b", "reason": "why"}]
        )
    )
    assert (read.artifacts["a"].content, read.artifacts_skipped[0].reason) == (b"a", "why")


def test_a_key_that_is_newer_than_the_client_can_be_read_all_the_same() -> None:
    result = read_result(stored(newer=1) | {"timings": stored()["timings"] | {"newer": 2}})
    assert (result["newer"], result.status, "newer" in result) == (1, "succeeded", True)


def test_a_worker_that_is_older_than_the_client_may_leave_keys_out() -> None:
    older = {key: value for key, value in stored().items() if key not in ("warm", "stage", "artifacts")}
    result = read_result(older)
    assert (result.warm, result.stage, result.artifacts) == (False, "run", {})


@pytest.mark.parametrize(
    "value", [None, {}, [], "text", stored(status="odd"), {"status": "failed"}, stored(timings={})]
)
def test_what_is_no_result_is_an_error(value: object) -> None:
    with pytest.raises(UnreadableResult, match="no result that this client can read"):
        read_result(value)


def test_an_error_with_its_result_survives_pickle() -> None:
    error = pickle.loads(pickle.dumps(CommandFailed("it failed", read_result(stored()))))
    assert (str(error), error.result.status) == ("it failed", "succeeded")
