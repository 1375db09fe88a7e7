"""Ten mebibytes to a real worker and back."""

from __future__ import annotations

import base64
import os
import time
from typing import TYPE_CHECKING

import pytest

from config import load_catalogue, load_settings
from sandbox import InvalidJob, parse_job
from tasks.outline import _job_in

if TYPE_CHECKING:
    from celery import Celery

pytestmark = pytest.mark.alone

LARGE = {"base64": base64.b64encode(os.urandom(10 << 20)).decode()}
#: In seconds. An idle machine needs about a tenth of it, mostly for Celery and Redis.
BOUND_S = 10.0


@pytest.mark.engine
def test_ten_megabytes_go_there_and_back(byname: Celery) -> None:
    task = byname.signature("cellblock.run_sandboxed")
    started = time.monotonic()
    request = {"files": {"large": LARGE}, "artifacts": ["large"]}
    result = task.delay("true", "bash", **request).get(timeout=60)
    assert time.monotonic() - started < BOUND_S
    assert result["artifacts"] == {"large": {"size": 10 << 20, **LARGE}}


@pytest.mark.parametrize("head", ["#!/usr/bin/env python3\n", "int main() {}\n"])
@pytest.mark.parametrize("name", ["tool", "main.cpp"])
def test_the_limits_of_a_large_job_are_told_from_the_head_of_its_files(name: str, head: str) -> None:
    content = base64.b64encode(head.encode() + bytes(100_000)).decode()
    request = {"cmd": "true" if name == "tool" else None, "files": {name: {"base64": content}}, "timeout": 7}
    job = parse_job(**request, settings=load_settings(), catalogue=load_catalogue())
    told = _job_in(((), request), {})
    assert told is not None
    assert told.ladder(5) == job.ladder(5)


def test_a_bad_request_is_known_in_the_main_process() -> None:
    with pytest.raises(InvalidJob, match="a"):
        _job_in(((), {"cmd": "true", "files": {"a": 7}}), {})


def test_a_request_whose_files_are_not_seen_whole_is_left_to_the_process_that_sees_them() -> None:
    spaced = "\n".join(["QUJD" * 15] * 100)
    request = {"cmd": "true", "files": {"a": {"base64": spaced}}, "timeout": -1}
    assert _job_in(((), request), {}) is None
