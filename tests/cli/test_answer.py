"""Results that other programs have written are checked before they are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.answer import UnreadableResult, read_answer
from cli.exit_codes import exit_code_of
from tasks.results.reader import read_stored

GOOD: dict[str, Any] = {
    "status": "succeeded",
    "exit_code": 0,
    "signal": None,
    "stdout": "out",
    "stderr": "",
    "stdout_bytes": 3,
    "stderr_bytes": 0,
}


def test_a_result_with_keys_of_a_later_version_is_read() -> None:
    assert read_answer(GOOD | {"later": 1}).stdout == "out"


@pytest.mark.parametrize(
    "value",
    [None, 1, "x", [], {}, [GOOD]]
    + [{key: value for key, value in GOOD.items() if key != missing} for missing in ("status", "stdout")],
    ids=str,
)
def test_what_is_no_result_is_refused(value: object) -> None:
    with pytest.raises(UnreadableResult, match="no result of a job"):
        read_answer(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "splendid"),
        ("status", ["failed"]),
        ("exit_code", "0"),
        ("exit_code", True),
        ("exit_code", 2**70),
        ("exit_code", -1),
        ("exit_code", 256),
        ("stderr_bytes", (1 << 62) + 1),
        ("stderr", "\ud800"),
        ("stage", 1),
        ("stdout", None),
        ("stdout", ["x"]),
        ("stdout", "\ud800"),
        ("stdout_bytes", "many"),
        ("stdout_bytes", -1),
        ("stderr_truncated", "no"),
        ("signal", {"a": "b"}),
        ("engine", 1),
        ("artifacts", []),
        ("artifacts", {"a": None}),
        ("artifacts", {"a": {"size": "1", "base64": "eA=="}}),
        ("artifacts", {"a": {"size": 1, "base64": 1}}),
        ("artifacts_skipped", {}),
        ("artifacts_skipped", [1]),
        ("artifacts_skipped", [{"path": "x"}]),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(field: str, value: object) -> None:
    with pytest.raises(UnreadableResult, match=field):
        read_answer(GOOD | {field: value})


@pytest.mark.parametrize(
    "forged", [{"status": "failed"}, {"status": "signaled"}, {"exit_code": 1}, {"exit_code": None}], ids=str
)
def test_a_status_with_the_exit_code_of_another_is_refused(forged: dict[str, Any]) -> None:
    with pytest.raises(UnreadableResult):
        read_answer(GOOD | forged)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"x", b"[" * 100_000, b"1", b"[]", b"{}", b'{"status": 1}', b"9" * 10_000],
    ids=lambda payload: repr(payload)[:12],
)
def test_what_no_worker_would_store_is_readable_as_nothing(payload: bytes) -> None:
    stored = read_stored(payload)
    assert (stored.is_readable, stored.is_ready, stored.result) == (False, True, None)


@pytest.mark.parametrize(
    "about",
    [None, [], "x", {}, {"exc_type": 1, "exc_module": [], "exc_message": {}}, {"exc_message": [[]]}],
    ids=str,
)
def test_a_failure_is_read_and_never_made_into_an_exception(about: object) -> None:
    stored = read_stored(json.dumps({"status": "FAILURE", "result": about}))
    assert stored.failure
    assert (stored.failure.name, stored.failure.message) == ("an unknown error", "")


@pytest.mark.parametrize(
    ("status", "own", "code"),
    [
        ("succeeded", 0, 0),
        ("failed", 3, 3),
        ("failed", None, 125),
        ("signaled", 139, 139),
        ("timed_out", 0, 124),
        ("out_of_memory", None, 137),
        ("output_limit", 0, 137),
        ("cancelled", None, 137),
    ],
)
def test_a_status_has_its_exit_code(status: str, own: int | None, code: int) -> None:
    assert exit_code_of(status, own) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed", "exit_code": 255},
        {"status": "failed", "exit_code": None},
        {"status": "timed_out", "exit_code": 0},
        {"status": "cancelled", "exit_code": None},
        {"stdout_bytes": 1 << 62},
        {"stdout_bytes": 0},
    ],
    ids=str,
)
def test_what_a_worker_may_store_is_read(changes: dict[str, Any]) -> None:
    assert read_answer(GOOD | changes).status == (GOOD | changes)["status"]


def test_what_an_older_worker_leaves_out_is_as_good_as_nothing() -> None:
    answer = read_answer({name: value for name, value in GOOD.items() if name != "signal"})
    known = (answer.signal, answer.stage, answer.engine, answer.stdout_truncated, answer.stderr_truncated)
    assert (known, answer.artifacts, answer.artifacts_skipped) == ((None, "run", "", False, False), {}, [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "no result of a job (as a whole): somebody else has written it."),
        (GOOD | {"artifacts": {"a": {"size": 1, "base64": 1}}}, "(artifacts.a.base64): somebody"),
        (GOOD | {"artifacts": {"a" * 200: None}}, f"(artifacts.{'a' * 90}): somebody"),
    ],
    ids=["whole", "part", "long"],
)
def test_the_refusal_says_where_the_result_makes_no_sense(value: object, words: str) -> None:
    with pytest.raises(UnreadableResult) as caught:
        read_answer(value)
    assert words in str(caught.value)
