"""The exact bytes of the orders that a supervisor gets for a job."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.blobs import Source
from sandbox.supervisor.orders import KILL, SUPERVISOR, TERMINATE, Orders, encode_orders

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse


def told(job: Job) -> tuple[list[str], bytes, bytes]:
    """The orders for a job: the words of the first line, the shell text, and the archive."""
    first, rest = b"".join(encode_orders("over", "nonce", job)).split(b"\n", 1)
    words = first.decode().split()
    size = int(words[2])
    if size:
        return words, rest[:size], rest[size:]
    line, archive = rest.split(b"\n", 1)
    return words, line, archive


def orders(job: Job) -> str:
    return told(job)[1].decode()


def test_a_plain_job_is_a_line_of_its_own_with_no_archive(parse: Parse) -> None:
    assert b"".join(encode_orders("over", "nonce", parse(["echo", "a b"]))) == (
        b"over nonce 0 0\nset -- echo 'a b'; ready=1\n"
    )


@pytest.mark.parametrize(("size", "is_line"), [(2048, True), (2049, False)])
def test_up_to_two_kibibytes_are_a_line_and_more_are_counted(parse: Parse, size: int, is_line: bool) -> None:
    job = parse(["x" * (size - len("set -- ; ready=1"))])
    words, text, _ = told(job)
    assert (len(text), words[2]) == (size, "0" if is_line else str(size))


def test_what_is_no_ascii_is_counted(parse: Parse) -> None:
    words, text, archive = told(parse(["é"]))
    assert (words, text.decode(), archive) == (["over", "nonce", "20", "0"], "set -- 'é'; ready=1", b"")


@pytest.mark.parametrize("argument", ["a\nb", "\n", "'\n'", "a\n\nb"])
def test_a_newline_on_a_line_is_a_newline_to_the_shell(parse: Parse, argument: str) -> None:
    _, line, _ = told(parse(["printf", argument]))
    assert b"\n" not in line
    shell = f"newline='\n'\n{line.decode()}\nprintf %s \"$2\""
    assert (
        subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True).stdout
        == argument
    )


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "set -- cmd; ready=1"),
        ({"cmd": "echo {bash}"}, """set -- "$bash" -c 'echo {bash}'; asks=bash; ready=1"""),
        ({"env": {"A": "1", "B": "x y"}}, "set -- env A=1 'B=x y' cmd; ready=1"),
        ({"cmd": ["a=b"], "env": {"A": "1"}}, """set -- env A=1 /bin/sh -c 'exec "$@"' sh a=b; ready=1"""),
        ({"cmd": ["a=b"]}, "set -- a=b; ready=1"),
        ({"stdin": ""}, "set -- cmd; stdin=/tmp/.stdin; ready=1"),
        ({"stack": "1m"}, "set -- cmd; stack_kib=1024; ready=1"),
        ({"artifacts": ["out/*.png"]}, "set -- cmd; collect=./out; ready=1"),
        ({"artifacts": ["*"]}, "set -- cmd; collect=.; ready=1"),
        ({"artifacts": ["b", "a/b/c", "a/b", "a/bc"]}, "set -- cmd; collect='./a/b ./a/bc ./b'; ready=1"),
        ({"artifacts": ["a b/*"]}, """set -- cmd; collect=''"'"'./a b'"'"''; ready=1"""),
    ],
)  # fmt: skip
def test_each_part_of_a_job_is_an_assignment(parse: Parse, request_: dict[str, Any], text: str) -> None:
    assert orders(parse(**({"cmd": ["cmd"]} | request_))) == text


def test_the_archive_holds_files_that_can_be_started_and_stdin_beside_them(parse: Parse) -> None:
    long = "d/" * 30 + "n" * 200
    words, _, archive = told(parse(files={"a/b": "x", long: "y"}, stdin="in"))
    assert (int(words[3]), len(archive) % 10_240) == (len(archive), 0)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {one.name: (one.mode, tar.extractfile(one).read()) for one in tar}  # type: ignore[union-attr]
    assert members == {
        "workspace/a/b": (0o755, b"x"),
        f"workspace/{long}": (0o755, b"y"),
        "tmp/.stdin": (0o755, b"in"),
    }


def test_files_are_of_today(parse: Parse) -> None:
    before = int(time.time())
    _, _, archive = told(parse(files={"a": "x"}))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert before <= tar.getmember("workspace/a").mtime <= time.time()


def test_what_an_earlier_stage_left_comes_before_the_files_in_whole_records(parse: Parse) -> None:
    job = parse(["cmd"], stdin="x").second_stage(Source.of(b"left"))
    words, text, archive = told(job)
    assert text == (b"set -- cmd; stdin=/tmp/.stdin; workspace_bytes=10240; confirmed=''; ready=1")
    assert (int(words[3]), archive[:10_240]) == (10_240, b"left".ljust(10_240, b"\0"))
    assert archive[2 * 10_240 :] == b"confirmed\n"


def test_an_empty_stdin_is_given_too(parse: Parse) -> None:
    assert len(told(parse(stdin=""))[2]) == 10_240


def test_the_words_of_the_worker_are_those_that_the_supervisor_knows() -> None:
    assert (TERMINATE, KILL) == (b"term\n", b"kill\n")
    assert {"term) kill -TERM -1", "kill) kill -KILL -1"} <= {
        line.strip(" ;") for line in SUPERVISOR.splitlines()
    }


def test_what_is_in_memory_is_sent_as_one_piece_and_in_order() -> None:
    assert list(Orders([b"a", b"b", Source.of(b"c"), b"d"])) == [b"ab", b"c", b"d"]
