"""The list of runs in a request, and what is refused of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import InvalidJob
from sandbox.blobs import Source
from tests.sandbox.conftest import parser

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse

MIB = 1 << 20


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "give a list of runs"),
        ("x", "give a list of runs"),
        ({"stdin": "x"}, "give a list of runs"),
        (["x"], r"runs\[0\]: give an object"),
        ([{}, {"input": "x"}], r"runs\[1\]: there is no 'input'. There are: name, args, stdin"),
        ([{"stdin": 1}], r"runs\[0\].stdin is a int"),
        ([{"args": "a b"}], r"runs\[0\].args: give a list"),
        ([{"args": [1]}], r"runs\[0\].args\[0\] is a int"),
        ([{"args": ["\0"]}], r"runs\[0\].args\[0\] contains a NUL"),
        ([{"name": "x" * 257}], r"runs\[0\].name is longer than 256 bytes"),
        ([{"env": {"1": ""}}], r"runs\[0\].env: '1' is no name of a variable"),
        ([{"files": {"../x": ""}}], r"runs\[0\].files\['../x'\]: the path leads outside"),
        ([{"files": {"a": "", "a/b": ""}}], r"runs\[0\].files: 'a' is a file and the folder"),
        ([{"timeout": "x"}], r"runs\[0\]: timeout: 'x' is not a number"),
        ([{"timeout": 601}], r"runs\[0\]: timeout=601 s is above the maximum"),
        ([{"memory": "3g"}], r"runs\[0\]: memory=3 GiB is above the maximum"),
        ([{"cpu_time": 0}], r"runs\[0\]: cpu_time=0 s is below the least"),
        ([{"expected": 5}], r"runs\[0\].expected is a int"),
        ([{"expected": "x" * (MIB + 1)}], r"runs\[0\]: what is expected takes .* output_limit=1 MiB keeps"),
        ([{}] * 1025, r"there are 1025, above the maximum of 1024 .*CELLBLOCK_MAX_RUNS"),
        ([{"stdin": "x" * 20 * MIB}] * 2, "above the maximum of 32 MiB .*CELLBLOCK_MAX_INPUT"),
        ([{"args": ["x" * 140_000]}], r"runs\[0\]: The command and env are too large"),
        ([{}, {"stdin": "x" * 10 * MIB, "memory": "16m"}], r"runs\[1\]: .* leaves too little of the job's"),
    ],
)
def test_a_bad_list_is_refused_in_one_sentence_that_says_where(parse: Parse, runs: Any, words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        parse("cat", runs=runs, disk="64m")


@pytest.mark.parametrize("name", ["compare", "stop_on_failure"])
def test_what_is_about_runs_needs_runs(parse: Parse, name: str) -> None:
    with pytest.raises(InvalidJob, match=f"{name}: it is about runs"):
        parse("true", **{name: {"compare": "exact", "stop_on_failure": True}[name]})


@pytest.mark.parametrize("asked", [{"artifacts": ["x"]}, {"keep_workspace": True}])
def test_runs_leave_no_files(parse: Parse, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match="runs leave no files"):
        parse("true", runs=[{}], **asked)


def planned(parse: Parse, cmd: object, *runs: dict[str, Any], **request: Any) -> list[Job]:
    job = parse(cmd, runs=list(runs), **request)
    assert job.runs
    return [job.as_run(run) for run in job.runs.planned]


def test_a_run_has_what_it_brings_and_else_what_the_job_has(parse: Parse) -> None:
    bare, own = planned(
        parse,
        ["cat"],
        {},
        {
            "stdin": "own",
            "env": {"B": "2"},
            "files": {"b": "2"},
            "timeout": 3,
            "cpu_time": 2,
            "memory": "64m",
        },
        stdin="job",
        env={"A": "1", "B": "1"},
        files={"a": "1", "b": "1"},
        timeout=9,
    )

    assert (bare.stdin, bare.env, bare.files) == (b"job", {"A": "1", "B": "1"}, {"a": b"1", "b": b"1"})
    assert (bare.limits.timeout_s, bare.limits.cpu_time_s) == (9, None)
    assert (own.stdin, own.env, own.files) == (b"own", {"A": "1", "B": "2"}, {"a": b"1", "b": b"2"})
    assert (own.limits.timeout_s, own.limits.cpu_time_s, own.limits.memory_bytes) == (3, 2, 64 * MIB)


def test_a_runs_own_file_by_ref_takes_the_place_of_the_jobs(parse: Parse) -> None:
    job = parse(
        "true", files={"a": "job", "b": "job"}, runs=[{"files": {"b": {"ref": f"sha256:{'0' * 64}"}}}]
    )
    assert job.runs
    (run,) = job.runs.planned
    found = job.as_run(replace(run, sources={"b": Source.of(b"own")}))

    assert (list(run.refs), list(found.files), list(found.sources)) == (["b"], ["a"], ["b"])


@pytest.mark.parametrize(
    ("cmd", "argv"),
    [
        (["prog", "-x"], ("prog", "-x", "a b")),
        ("echo $1", ('"$bash"', "-c", "echo $1", '"$bash"', "a b")),
    ],
)
def test_arguments_go_to_the_command(parse: Parse, cmd: object, argv: tuple[str, ...]) -> None:
    (run,) = planned(parse, cmd, {"args": ["a b"]})

    assert run.argv[-1] == argv[-1]
    assert len(run.argv) == len(argv)


def test_a_runs_own_memory_sizes_its_heap(parse: Parse) -> None:
    small, large = planned(
        parse, None, {"memory": "128m"}, {"memory": "1g"}, files={"A.java": "class A {}"}, runtime="java"
    )

    assert "-Xmx96m" in small.argv
    assert "-Xmx768m" in large.argv


def test_a_run_is_named_by_its_number_or_by_its_name(parse: Parse) -> None:
    job = parse("true", runs=[{}, {"name": "empty input"}])

    assert job.runs
    assert [run.name for run in job.runs.planned] == ["1", "empty input"]


@pytest.mark.parametrize(
    ("cpus", "memory", "count", "at_once"),
    [(1, "64m", 8, 1), (2, "64m", 8, 2), (2, "64m", 1, 1), (4, "2g", 8, 1), (0.5, "64m", 8, 1)],
)
def test_runs_go_on_together_as_far_as_cores_and_memory_allow(
    parse: Parse, monkeypatch: pytest.MonkeyPatch, cpus: float, memory: str, count: int, at_once: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    job = parse("true", runs=[{}] * count, cpus=cpus, memory=memory)

    assert job.runs
    assert job.runs.at_once == at_once
    assert job.runs.planned[0].limits.cpus == cpus / at_once


def test_the_runs_share_what_a_result_keeps_of_a_stream() -> None:
    parse = parser(load_settings(max_output_limit="1m"))
    job = parse("true", runs=[{}] * 64, output_limit="1m")

    assert job.runs
    assert job.runs.kept_bytes == MIB // 64


@pytest.mark.parametrize(
    ("count", "timeout", "soft_s"),
    [(2, 10, 2 * (10 + 1 + 30) + 1 + 15), (1000, 10, 600 + 1 + 15)],
    ids=["the sum", "the operator's maximum"],
)
def test_the_time_limits_cover_all_runs(parse: Parse, count: int, timeout: float, soft_s: float) -> None:
    job = parse("true", runs=[{"timeout": timeout}] * count)

    assert job.ladder(15).soft_s == soft_s


def test_the_longest_job_covers_any_runs_behind_any_compiler() -> None:
    settings = load_settings()
    job = parser(settings)(None, runs=[{"timeout": 600}] * 1024, files={"a.c": "int main(){}"})

    assert job.ladder(settings.engine_margin).hard_s <= settings.longest.hard_s
