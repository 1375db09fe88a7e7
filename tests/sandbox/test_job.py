"""The requests that are accepted as jobs, and the errors for those that are refused."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load_catalogue, load_settings
from sandbox import InvalidJob, Job
from sandbox.blobs import Source
from sandbox.job import parse_job
from sandbox.request import ARGUMENTS
from tests.sandbox.conftest import parser

if TYPE_CHECKING:
    from tests.sandbox.conftest import Parse

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
requests = st.dictionaries(st.sampled_from(ARGUMENTS), json_values, max_size=4)


REF = f"sha256:{0:064}"


def test_a_file_by_ref_is_known_by_its_name_alone(parse: Parse) -> None:
    job = parse(None, files={"main.py": {"ref": REF}, "b": "x"})
    assert (job.argv, job.refs, job.files) == (("python3", "main.py"), {"main.py": REF}, {"b": b"x"})


def test_with_no_store_what_needs_one_is_refused() -> None:
    without = parser(load_settings(blobs="off"))
    for request in (
        {"workspace": REF}, {"keep_workspace": True}, {"artifacts_as": "ref"}, {"files": {"a": {"ref": REF}}},
    ):  # fmt: skip
        with pytest.raises(InvalidJob, match="There is no blob store here"):
            without(**request)


def test_text_is_given_to_a_shell(parse: Parse) -> None:
    assert parse("echo $HOME", "node").argv == ("/bin/sh", "-c", "echo $HOME")
    assert parse("echo $HOME").argv == ("{bash}", "-c", "echo $HOME")


def test_a_list_is_executed_as_it_stands(parse: Parse) -> None:
    assert parse(["echo", "$HOME", ""]).argv == ("echo", "$HOME", "")


def test_no_command_is_the_runtimes_own_for_the_files(parse: Parse) -> None:
    assert parse(None, files={"main.py": ""}).argv == ("python3", "main.py")


def test_content_is_text_in_utf8_or_base64(parse: Parse) -> None:
    job = parse(stdin={"base64": "/wA="}, files={"a": "é", "b": {"base64": ""}})
    assert (job.stdin, job.files) == (b"\xff\0", {"a": "é".encode(), "b": b""})


def test_no_stdin_and_empty_stdin_differ(parse: Parse) -> None:
    assert (parse().stdin, parse(stdin="").stdin) == (None, b"")


@pytest.mark.parametrize(("path", "short"), [("./a", "a"), ("a//b", "a/b"), ("a/./b", "a/b"), ("..a", "..a")])
def test_paths_are_kept_as_short_as_they_can_be_written(parse: Parse, path: str, short: str) -> None:
    assert list(parse(files={path: ""}).files) == [short]


@pytest.mark.parametrize(
    ("glob", "short"),
    [
        ("./out/*.png", "out/*.png"),
        ("a//b", "a/b"),
        ("out/./", "out/"),
        (".", "**"),
        ("./", "**"),
        ("..a", "..a"),
    ],
)
def test_patterns_are_written_as_the_paths_are(parse: Parse, glob: str, short: str) -> None:
    assert parse(artifacts=[glob]).artifacts == (short,)


def test_null_arguments_are_as_good_as_none(parse: Parse) -> None:
    assert parse("true", None, **dict.fromkeys(ARGUMENTS)) == parse("true")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"runtime": "cobol"}, "There is no runtime 'cobol'. There are: bash, cpp,"),
        ({"runtime": 3}, "There is no runtime 3."),
        ({"runtime": []}, "There is no runtime []."),
        ({"memroy": "1g"}, "There is no argument 'memroy'."),
        ({"cmd": []}, "cmd: give text"),
        ({"cmd": 7}, "cmd: give text"),
        ({"cmd": {"a": 1}}, "cmd: give text"),
        ({"cmd": ["echo", 1]}, "cmd[1] is a int"),
        ({"cmd": "a\0b"}, "cmd contains a NUL"),
        ({"cmd": ["echo", "a\0b"]}, "cmd[1] contains a NUL"),
        ({"cmd": "\ud800"}, "cmd contains a lone surrogate"),
        ({"cmd": None}, "cmd: give a command, or files to run"),
        ({"cmd": "x" * 131_072}, "Linux takes"),
        ({"cmd": ["x" * 100_000] * 11}, "Linux takes"),
        ({"stdin": 5}, "stdin is a int"),
        ({"stdin": "\udfff"}, "stdin contains a lone surrogate"),
        ({"stdin": {"base64": "?"}}, 'stdin: its "base64" is not valid'),
        ({"stdin": {"base64": "é"}}, 'stdin: its "base64" is not valid'),
        ({"stdin": {"base64": 1}}, "stdin is a dict"),
        ({"stdin": {"base64": "", "x": 1}}, "stdin is a dict"),
        ({"env": ["A=1"]}, "env: give an object"),
        ({"env": {"1A": ""}}, "env: '1A' is no name"),
        ({"env": {"A=B": ""}}, "env: 'A=B' is no name"),
        ({"env": {"": ""}}, "env: '' is no name"),
        ({"env": {"A\n": ""}}, "env: 'A\\n' is no name"),
        ({"env": {"A": 1}}, "env['A'] is a int"),
        ({"env": {"A": "\0"}}, "env['A'] contains a NUL"),
        ({"files": ["a"]}, "files: give an object"),
        ({"files": {"/etc/passwd": ""}}, "files['/etc/passwd']: the path leads outside /workspace"),
        ({"files": {"../a": ""}}, "files['../a']: the path leads outside /workspace"),
        ({"files": {"a/../../b": ""}}, "the path leads outside /workspace"),
        ({"files": {"": ""}}, "files['']: the path names no file"),
        ({"files": {".": ""}}, "files['.']: the path names no file"),
        ({"files": {"./.": ""}}, "files['./.']: the path names no file"),
        ({"files": {"a/": ""}}, "files['a/']: the path names no file"),
        ({"files": {"a\0": ""}}, "contains a NUL"),
        ({"files": {"\ud800": ""}}, "contains a lone surrogate"),
        ({"files": {"a" * 256: ""}}, "the path is too long"),
        ({"files": {"é" * 128: ""}}, "the path is too long"),
        ({"files": {"/".join("a" * 33): ""}}, "deeper than 32 folders"),
        ({"files": {"a": None}}, "files['a'] is null"),
        ({"files": {"a": "", "./a": ""}}, "two of the paths name the same file"),
        ({"files": {"a": "", "a/b": ""}}, "'a' is a file and the folder of 'a/b' at once"),
        ({"files": {"a/b/c": "", "a": ""}}, "'a' is a file and the folder of 'a/b/c' at once"),
        ({"files": {"a.py": "", "b.js": ""}}, "fit several runtimes: node (b.js ends in .js); python (a.py"),
        ({"files": {"a": "x" * (65 << 20)}, "disk": "512m"}, "CELLBLOCK_MAX_INPUT"),
        ({"files": {"a": "x" * 70_000}, "disk": "64k"}, "ask for more disk"),
        ({"files": {"a": {"ref": None}}}, "files['a']: null is no ref"),
        ({"files": {"a": {"ref": "sha256:" + "A" * 64}}}, "files['a']: 'sha256:AAA"),
        ({"files": {"a": {"ref": REF + "\n"}}}, "files['a']: 'sha256:000"),
        ({"files": {"a": {"ref": REF, "base64": ""}}}, "files['a'] is a dict"),
        ({"files": {"a": {"ref": REF}, "./a": ""}}, "two of the paths name the same file"),
        ({"files": {"a": {"ref": REF}, "a/b": ""}}, "'a' is a file and the folder of 'a/b' at once"),
        ({"workspace": {"ref": REF}}, "workspace: a dict is no ref"),
        ({"workspace": ""}, "workspace: '' is no ref"),
        ({"keep_workspace": "yes"}, "keep_workspace: give true or false"),
        ({"artifacts_as": "zip"}, 'artifacts_as: give "inline" or "ref"'),
        ({"artifacts_as": []}, 'artifacts_as: give "inline" or "ref"'),
        ({"artifacts": "*.txt"}, "artifacts: give a list of patterns"),
        ({"artifacts": [1]}, "A pattern in artifacts is a int"),
        ({"artifacts": ["/etc/*"]}, "artifacts: patterns are relative"),
        ({"artifacts": ["../*"]}, "artifacts: patterns are relative"),
        ({"artifacts": [""]}, "artifacts: patterns are relative"),
        ({"artifacts": ["a" * 1025]}, "is too long (1024 bytes)"),
        ({"artifacts": ["a"] * 257}, "there are 257 patterns; give at most 256"),
        ({"artifacts": ["a" * 1000] * 70}, "the patterns take"),
        ({"files": {f"{n}": "" for n in range(8193)}}, "the maximum of 8192 that the operator allows"),
        ({"files": {"f" * 200 + f"{n}": "" for n in range(800)}, "disk": "64k"}, "ask for more disk"),
        ({"env": {f"A{n}": "" for n in range(1025)}}, "env: there are 1025 variables; give at most 1024"),
        ({"cmd": ["true"] * 16_385}, "cmd: there are 16385 arguments; give at most 16384"),
        ({"network": True}, "the operator does not allow it (CELLBLOCK_NETWORK)"),
        ({"network": ["example.org"]}, "network: "),
        ({"network": 1}, "network: give true or false"),
        ({"network": "yes"}, "network: give true or false"),
        ({"check": 1}, "check: give true or false"),
    ],
    ids=lambda value: str(value)[:60].encode("ascii", "backslashreplace").decode().replace("\0", "NUL"),
)
def test_a_bad_request_is_refused_in_one_sentence(
    parse: Parse, request_: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse(**({"cmd": "true"} | request_))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_network_is_given_where_the_operator_allows_it() -> None:
    assert parser(load_settings(network=True))(network=True).network


@given(requests, json_values, json_values)
def test_whatever_json_arrives_is_a_job_or_an_invalid_job(
    request_: dict[str, object], cmd: object, runtime: object
) -> None:
    with suppress(InvalidJob):
        assert isinstance(parser(load_settings())(cmd, runtime, **request_), Job)


@given(st.binary(max_size=200))
def test_base64_carries_any_bytes(content: bytes) -> None:
    encoded = {"base64": base64.b64encode(content).decode()}
    assert parser(load_settings())(stdin=encoded).stdin == content


def test_the_ladder_of_two_stages_leaves_room_for_both(parse: Parse) -> None:
    job = parse(None, files={"main.cpp": ""}, timeout=10, grace=2)
    alone, both = parse(timeout=10, grace=2).ladder(15), job.ladder(15)
    assert job.compile is not None
    assert both.kill_s - alone.kill_s == job.compile.limits.timeout_s + job.compile.limits.grace_s + 2 * 15
    assert both.soft_s < both.hard_s < both.reap_s


def test_the_first_stage_is_a_job_with_no_stdin_that_brings_everything_back(parse: Parse) -> None:
    first = parse(None, files={"main.cpp": ""}, stdin="x", artifacts=["out"]).first_stage()
    assert first is not None
    assert (first.argv[0], first.stdin, first.artifacts, first.compile) == ("g++", None, ("**",), None)


def test_the_first_stage_has_the_image_and_the_environment_of_the_compiler() -> None:
    catalogue = load_catalogue()
    heap = catalogue["dotnet"].model_copy(update={"env": {"HEAP": "{heap_mib}"}, "joined": ("HEAP",)})
    job = parse_job(
        None,
        files={"main.cs": ""},
        env={"HEAP": "own"},
        memory="64m",
        settings=load_settings(),
        catalogue={**catalogue, "dotnet": heap},
    )
    first = job.first_stage()
    assert first is not None
    assert (first.runtime, first.env["HEAP"], job.env["HEAP"]) == (heap.compiler, "768 own", "48 own")
    assert (first.compiles, job.compiles) == (True, False)


def test_the_second_stage_runs_what_the_first_one_left(parse: Parse) -> None:
    job = parse(None, files={"main.cpp": ""}, stdin="x", artifacts=["out"])
    second = job.second_stage(archive := Source.of(b"archive"))
    assert (second.argv, second.files, second.workspace) == (("./program",), {}, archive)
    assert second.compile is None
    assert (second.stdin, second.artifacts, second.limits) == (b"x", ("out",), job.limits)
