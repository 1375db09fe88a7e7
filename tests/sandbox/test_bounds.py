"""The limits on a request: the largest value that is accepted, and the smallest that is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from config import InvalidSetting, load_catalogue, load_settings
from config.runtimes import Runtime, RuntimeLimits
from sandbox import InvalidJob
from sandbox.detect import choose_runtime
from sandbox.job import Job
from sandbox.limits import check_catalogue, read_limits, resolve_limits
from sandbox.request import ARGUMENTS
from tests.sandbox.conftest import parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox import Limits
    from tests.sandbox.conftest import Parse

KIB, MIB = 1 << 10, 1 << 20


def variables(count: int) -> dict[str, str]:
    return {f"A{number}": "" for number in range(count)}


def test_the_arguments_are_those_of_the_contract() -> None:
    assert (
        *("timeout", "grace", "memory", "cpus", "pids", "disk", "output_limit", "cpu_time", "stack"),
        *("entry", "stdin", "env", "files", "artifacts", "artifacts_as", "workspace", "keep_workspace"),
        *("runs", "compare", "stop_on_failure", "network", "check"),
    ) == ARGUMENTS


@pytest.mark.parametrize(
    ("last", "first", "words"),
    [
        ({"cmd": ["x"] * 16_384}, {"cmd": ["x"] * 16_385}, "give at most 16384"),
        ({"cmd": ["x" * 131_071]}, {"cmd": ["x" * 131_072]}, "128 KiB an argument"),
        ({"cmd": ["x" * 104_848] * 10}, {"cmd": ["x" * 104_849] * 10}, "1 MiB in all"),
        ({"env": variables(1024)}, {"env": variables(1025)}, "give at most 1024"),
        ({"env": {"A" * 255: ""}}, {"env": {"A" * 256: ""}}, "is no name of a variable"),
        ({"env": {"_a1": ""}}, {"env": {"1a": ""}}, "is no name of a variable"),
        ({"env": {"A": "x" * 131_069}}, {"env": {"A": "x" * 131_070}}, "128 KiB an argument"),
        ({"artifacts": ["a"] * 256}, {"artifacts": ["a"] * 257}, "give at most 256"),
        ({"artifacts": ["a" * 1024] * 64}, {"artifacts": [*["a" * 1024] * 64, "b"]}, "more than 64 KiB"),
        ({"artifacts": ["a" * 1024]}, {"artifacts": ["a" * 1025]}, "too long"),
        ({"files": {"a" * 255: ""}}, {"files": {"a" * 256: ""}}, "too long"),
        ({"files": {"a/" * 31 + "b": ""}}, {"files": {"a/" * 32 + "b": ""}}, "deeper than 32"),
        ({"files": {"/".join(["a" * 204] * 5): ""}}, {"files": {"/".join(["a" * 205] * 5): ""}}, "too long"),
    ],
    ids=[
        *("arguments", "argument", "all arguments", "variables", "name of a variable", "digit", "variable"),
        *("patterns", "all patterns", "pattern", "name", "depth", "path"),
    ],
)  # fmt: skip
def test_the_last_request_is_taken_and_the_one_behind_it_is_not(
    parse: Parse, last: dict[str, Any], first: dict[str, Any], words: str
) -> None:
    parse(**last)
    with pytest.raises(InvalidJob, match=words):
        parse(**first)


def on_disk(size: int, **settings: Any) -> Job:
    """A job with one file, `a`, of `size` KiB."""
    return parser(load_settings(**settings))(files={"a": "x" * size * KIB}, disk="8m")


def test_files_take_whole_pages_their_names_and_an_inode_each() -> None:
    # 64 KiB hold 15 pages of 4 KiB, a name of one byte, and an inode of 1 KiB.
    job = {"files": {"a": "x" * 60 * KIB}}
    parse = parser(load_settings())
    parse(**job, disk=60 * KIB + 1024 + 1 + 3 * KIB)
    with pytest.raises(InvalidJob, match="ask for more disk"):
        parse(files={"a": "x" * (63 * KIB)}, disk=64 * KIB)
    with pytest.raises(InvalidJob, match="ask for more disk"):
        parse(files={"a" * 200: "x" * (59 * KIB + 1), "b": "", "c": "", "d": "", "e": ""}, disk=64 * KIB)


@pytest.mark.parametrize(("maximum", "fits"), [(61 * KIB + 1, True), (61 * KIB, False)])
def test_an_operators_maximum_counts_what_files_take_on_disk(maximum: int, fits: bool) -> None:
    if fits:
        on_disk(60, max_input=maximum)
        return
    with pytest.raises(
        InvalidJob, match=r"files and stdin take 61 KiB, above the maximum of 61 KiB .*MAX_INPUT"
    ):
        on_disk(60, max_input=maximum)


def test_stdin_counts_towards_the_operators_maximum_and_the_memory() -> None:
    parse = parser(load_settings(max_input=100))
    parse(stdin="x" * 100)
    with pytest.raises(InvalidJob, match="CELLBLOCK_MAX_INPUT"):
        parse(stdin="x" * 101)
    parse = parser(load_settings())
    parse(stdin="x" * 8 * MIB, memory="16m")
    with pytest.raises(InvalidJob, match=r"leaves too little of the job's memory=16 MiB"):
        parse(stdin="x" * (8 * MIB + 1), memory="16m")


def test_a_small_stack_has_room_for_fewer_arguments(parse: Parse) -> None:
    argv = ["echo", "x" * 100_000]
    parse(argv, stack="1m")
    with pytest.raises(InvalidJob, match=r"with this stack, 64 KiB in all"):
        parse(argv, stack="256k")


@pytest.mark.parametrize(("size", "fits"), [(64 * KIB, True), (64 * KIB + 1, False)])
def test_stdin_is_on_a_disk_of_its_own(parse: Parse, size: int, fits: bool) -> None:
    if fits:
        parse(stdin="x" * size, files={"a": "x" * 60 * KIB}, disk="64k")
        return
    with pytest.raises(InvalidJob, match=r"files or stdin take 64 KiB, more than the job's disk=64 KiB"):
        parse(stdin="x" * size, disk="64k")


def test_as_many_files_as_the_operator_allows() -> None:
    parse = parser(load_settings(max_files=2))
    parse(files={"a": "", "b": ""})
    with pytest.raises(InvalidJob, match=r"there are 3, above the maximum of 2 .*CELLBLOCK_MAX_FILES"):
        parse(files={"a": "", "b": "", "c": ""})


LEAST = {
    "timeout": 0.001,
    "grace": 0,
    "memory": 16 * MIB,
    "cpus": 0.01,
    "pids": 4,
    "disk": 64 * KIB,
    "output_limit": 1,
    "cpu_time": 0.001,
    "stack": 128 * KIB,
}
MOST = {
    "timeout": 600,
    "grace": 30,
    "memory": 2048 * MIB,
    "cpus": 4,
    "pids": 1024,
    "disk": 512 * MIB,
    "output_limit": 16 * MIB,
    "cpu_time": 2400,
    "stack": 512 * MIB,
}


def resolve(**asked: object) -> Limits:
    return resolve_limits(asked, RuntimeLimits(), load_settings())


@pytest.mark.parametrize("bounds", [LEAST, MOST], ids=["least", "most"])
def test_the_least_and_the_most_of_each_limit_are_taken(bounds: Mapping[str, float]) -> None:
    limits = resolve(**bounds)
    assert list(asdict(limits).values()) == list(bounds.values())
    assert read_limits(limits.text, load_settings()) == limits


def test_a_guard_reads_the_limits_of_workers_that_are_older_than_it() -> None:
    limits = resolve()
    older = {
        name: value for name, value in asdict(limits).items() if name not in ("cpu_time_s", "stack_bytes")
    }
    assert read_limits(json.dumps(older), load_settings()) == limits


@pytest.mark.parametrize("name", ["memory", "pids", "disk"])
def test_one_less_than_the_least_is_refused(name: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{name}=.* is below the least possible"):
        resolve(**{name: LEAST[name] - 1})


@pytest.mark.parametrize("name", ["memory", "pids", "disk", "output_limit"])
def test_one_more_than_the_most_is_refused(name: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{name}=.* is above the maximum"):
        resolve(**{name: MOST[name] + 1})


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"timeout_s": 1}'], ids=["no JSON", "a list", "nothing", "one alone"]
)
def test_what_is_no_text_of_limits_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"limits of a cell|Expecting"):
        read_limits(text, load_settings())


def test_limits_beyond_the_operators_are_not_read() -> None:
    text = resolve(timeout=500).text
    with pytest.raises(ValueError, match=r"^timeout is not between 0\.001 and 400$"):
        read_limits(text, load_settings(max_timeout=400))


def test_a_catalogue_that_asks_for_more_than_the_operator_allows_stops_the_worker() -> None:
    catalogue = load_catalogue() | {"big": Runtime(name="big", image="x", limits=RuntimeLimits(pids=2000))}
    check_catalogue(load_catalogue(), load_settings())
    with pytest.raises(InvalidSetting, match=r"^Runtime catalogue, big\.limits: pids=2000 is above"):
        check_catalogue(catalogue, load_settings())


@pytest.mark.parametrize(
    ("content", "runtime"),
    [
        (b"#!/usr/bin/env -S python3 -u\n", "python"),
        (b"#!/bin/sh", "bash"),
        (b"#! /usr/bin/node --x\nfoo", "node"),
        (b"#!" + b" " * 245 + b"/bin/node\n", "node"),
        (b"#!" + b" " * 254 + b"/bin/node\n", "bash"),
        (b"\n#!/usr/bin/node\n", "bash"),
        (b"#!/usr/bin/env\nnode", "bash"),
    ],
)
def test_a_shebang_names_the_program_in_the_files_first_line(content: bytes, runtime: str) -> None:
    choice = choose_runtime(None, {"script": content}, load_catalogue())
    assert choice.runtime.name == runtime


def test_each_of_many_small_arguments_takes_its_pointer_too(parse: Parse) -> None:
    parse(["echo", *["x"] * 13_000], stack="1m")
    with pytest.raises(InvalidJob, match="The command and env are too large"):
        parse(["echo", *["x"] * 13_200], stack="1m")


@pytest.mark.parametrize("content", ["x", "x" * 4096])
def test_a_file_takes_whole_pages_of_the_operators_maximum(content: str) -> None:
    parser(load_settings(max_input=5 * KIB + 1))(files={"a": content})
    with pytest.raises(InvalidJob, match="CELLBLOCK_MAX_INPUT"):
        parser(load_settings(max_input=5 * KIB))(files={"a": content})


def test_what_is_expected_of_runs_counts_towards_the_operators_maximum() -> None:
    parse = parser(load_settings(max_input=100))
    parse(runs=[{"expected": "x" * 50}, {"expected": "x" * 50}])
    with pytest.raises(InvalidJob, match="CELLBLOCK_MAX_INPUT"):
        parse(runs=[{"expected": "x" * 50}, {"expected": "x" * 51}])
