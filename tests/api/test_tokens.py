"""The file of tokens: what a line may be, and what its limits do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from api.tokens import TokenFile, parse_tokens
from config import InvalidSetting, load_catalogue, load_settings
from sandbox import InvalidJob, parse_job

if TYPE_CHECKING:
    from pathlib import Path

A, B = "a" * 20, "b" * 20


def test_a_line_has_a_token_and_its_tenant_with_spaces_tabs_or_a_comma_between() -> None:
    tokens = parse_tokens(f"\n# who\n{A} alice\n{B},bob\n{A}{B}\t carol \r\n")
    assert [token.tenant for token in tokens] == ["alice", "bob", "carol"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (A, "then its tenant"),
        (f"{A} al/ice", "then its tenant"),
        (f"{A} {'a' * 65}", "then its tenant"),
        ("to§ken alice", "a token has"),
        (f"{'a' * 513} alice", "a token has"),
        (f"{A} alice timeout", "is no limit"),
        (f"{A} alice speed=3", "is no limit"),
        (f"{A} alice timeout=1 timeout=2", "is no limit"),
        (f"{A} alice timeout=soon", "is not a number"),
        (f"{A} alice timeout=nan", "is not a number"),
        (f"{A} alice timeout=0", "below the least"),
        (f"{A} alice memory=1k", "below the least"),
        (f"{A} alice memory=", "is not a size"),
        (f"{A} alice pids=1.5", "is not a number"),
        (f"{A} alice streams=0", "from 1 to 100000"),
        (f"{A} alice streams=²", "from 1 to 100000"),
        (f"{A} alice streams={'9' * 5000}", "from 1 to 100000"),
    ],
)
def test_a_line_that_is_none_is_named_by_its_number_and_never_by_its_token(line: str, why: str) -> None:
    with pytest.raises(InvalidSetting, match=f"line 2: .*{why}") as refused:
        parse_tokens(f"{B} bob\n{line}\n")
    assert A not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_token_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="line 2: the token is on an earlier line"):
        parse_tokens(f"{A} alice\n{A} bob\n")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_a_file_without_tokens_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="there is no token in it"):
        parse_tokens(text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSetting, match="it is no text"):
        TokenFile(file)


def test_a_token_is_found_and_nothing_that_is_nearly_one(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{A} alice\n{B} bob\n")
    tokens = TokenFile(file)
    found = [tokens.find(secret) for secret in (A, B, A[:-1], f"{A}a", "", A.upper(), f"{A}\n")]
    assert [token and token.tenant for token in found] == ["alice", "bob", None, None, None, None, None]


def test_a_token_is_in_no_representation_of_its_entry() -> None:
    (token,) = parse_tokens(f"{A} alice")
    assert A not in repr(token)
    assert token.digest.hex() not in repr(token)


def test_a_short_token_gets_a_warning_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        parse_tokens("secret alice")
    assert "line 1: the token is short" in caplog.text
    assert "secret" not in caplog.text


def lowered(line: str, **request: Any) -> dict[str, Any]:
    (token,) = parse_tokens(f"{A} alice {line}")
    job = parse_job("true", settings=load_settings(), catalogue=load_catalogue(), **request)
    return token.caps.lower(request, job.limits)


def test_a_limit_that_a_job_does_not_name_is_lowered_and_one_that_fits_is_left() -> None:
    assert lowered("timeout=10 memory=1g pids=10") == {"timeout": 10, "pids": 10}
    assert lowered("timeout=10", timeout=10) == {"timeout": 10}


@pytest.mark.parametrize(
    ("line", "asked"), [("timeout=10", {"timeout": 10.1}), ("memory=64m", {"memory": "65m"})]
)
def test_a_limit_that_a_job_asks_for_is_never_lowered_silently(line: str, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match="that this token allows"):
        lowered(line, **asked)


def test_a_limit_that_jobs_usually_have_none_of_is_set() -> None:
    assert lowered("cpu_time=3") == {"cpu_time": 3}


def test_no_run_of_a_job_gets_more_than_its_token_allows() -> None:
    runs = [{"timeout": 1}, {"timeout": 11}]
    with pytest.raises(InvalidJob, match="timeout=11 s is above the 10 s that this token allows"):
        lowered("timeout=10", runs=runs)
    assert lowered("timeout=10", runs=runs[:1])["runs"] == runs[:1]


def test_the_limits_of_a_runtime_are_lowered_too() -> None:
    assert lowered("memory=64m", runtime="java") == {"runtime": "java", "memory": 64 << 20}
