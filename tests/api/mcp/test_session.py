"""What an agent does in one session: write, run, look, and go on."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from tests.api.mcp.talking import png

if TYPE_CHECKING:
    from tests.api.mcp.conftest import Open
    from tests.api.mcp.talking import Session

pytestmark = pytest.mark.anyio

PLOT = """
import base64
open("plot.png", "wb").write(base64.b64decode(open("plot.txt").read()))
print("drawn")
"""


async def test_a_client_writes_a_file_runs_it_and_gets_a_plot_as_an_image(opened: Open) -> None:
    async with opened() as session:
        await session.call("write_file", path="plot.py", content=PLOT)
        await session.call("write_file", path="plot.txt", content=base64.b64encode(png(8)).decode())
        answer = await session.run("python3 plot.py", runtime="python")
    assert (answer.facts["stdout"], answer.facts["images"], answer.images) == (
        "drawn\n",
        ["plot.png"],
        [png(8)],
    )


async def test_what_one_call_leaves_the_next_one_finds_and_no_process(session: Session) -> None:
    await session.run("mkdir -p deep/er; echo kept > deep/er/file; sleep 60 & export LEFT=1")
    assert await session.stdout("cat deep/er/file; echo [$LEFT]; pgrep -c sleep; true") == "kept\n[]\n0\n"


async def test_a_command_that_fails_is_an_answer_like_any_other(session: Session) -> None:
    answer = await session.run("echo said; echo wrong >&2; exit 3")
    assert not answer.is_error
    assert answer.text == "failed, exit code 3, " + answer.text.split(", ")[2]
    assert "stdout:\nsaid\n\nstderr:\nwrong\n" in answer.text
    assert {name: answer.facts[name] for name in ("status", "exit_code", "stdout", "stderr")} == {
        "status": "failed",
        "exit_code": 3,
        "stdout": "said\n",
        "stderr": "wrong\n",
    }


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"code": "print(6 * 7)"}, "42\n"),
        ({"code": "echo $BASH_VERSION | cut -c1; cat", "runtime": "bash", "stdin": "in"}, "5\nin"),
        ({"code": "import other; print(other.name)", "files": {"other.py": "name = 'Ä'"}}, "Ä\n"),
        ({"code": "print(1)", "runtime": "Python3"}, "1\n"),
        ({"command": "cat a/b", "files": {"/workspace/a/b": "both ways"}}, "both ways"),
    ],
)
async def test_programs_and_commands_run(session: Session, arguments: dict[str, str], wanted: str) -> None:
    answer = await session.call("run", **arguments)
    assert (answer.facts["stdout"], answer.facts["status"]) == (wanted, "succeeded"), answer


@pytest.mark.parametrize("content", ["", "a\n", "ÄÖ€\U0001f600\r\n\ttext", "x" * 5000])
async def test_a_file_is_read_as_it_was_written(session: Session, content: str) -> None:
    await session.call("write_file", path="some/file name", content=content)
    assert (await session.call("read_file", path="some/file name")).text == content


async def test_a_file_that_is_no_text_is_written_and_read_in_base64(session: Session) -> None:
    data = bytes(range(256))
    await session.call("write_file", path="data", content=base64.b64encode(data).decode(), is_base64=True)
    assert (await session.call("read_file", path="data")).text == (
        "data is not text. Try: as_base64; or `run` with a program that reads it."
    )
    assert base64.b64decode((await session.call("read_file", path="data", as_base64=True)).text) == data


async def test_a_part_of_a_file_says_where_the_rest_is(session: Session) -> None:
    await session.call("write_file", path="long", content="0123456789" * 10)
    first = await session.call("read_file", path="long", length=12)
    assert first.text == "012345678901\n[bytes 0 to 12 of 100; the rest follows from offset 12]"
    assert (await session.call("read_file", path="long", offset=95)).text == "56789"


async def test_an_image_is_read_as_an_image(session: Session) -> None:
    await session.run("printf nothing > no.png", files={"image.txt": base64.b64encode(png(4)).decode()})
    await session.run("base64 -d image.txt > image.png")
    assert (await session.call("read_file", path="image.png")).images == [png(4)]
    assert (await session.call("read_file", path="no.png")).text == "nothing"


async def test_files_are_listed_with_what_they_are(session: Session) -> None:
    await session.run("mkdir -p a/b; printf 123 > a/b/c; ln -s c a/b/d; mkfifo e; printf x > 'f\ng'")
    answer = await session.call("list_files")
    found = [(one["path"], one["kind"]) for one in answer.facts["files"]]
    assert found == [
        ("a", "folder"),
        ("a/b", "folder"),
        ("a/b/c", "file"),
        ("a/b/d", "link"),
        ("e", "other"),
        ("f\ng", "file"),
    ]
    assert "a/b/c  3 bytes\n" in answer.text
    assert [one["path"] for one in (await session.call("list_files", folder="a/b/")).facts["files"]] == [
        "a/b/c",
        "a/b/d",
    ]


async def test_calls_that_come_at_once_take_turns_and_no_write_is_lost(session: Session) -> None:
    writes = [session.call("write_file", path=f"file{number}", content="x") for number in range(3)]
    await asyncio.gather(*writes, session.run("echo one >> log"), session.run("echo two >> log"))
    assert await session.stdout("ls; cat log") == "file0\nfile1\nfile2\nlog\none\ntwo\n"


async def test_sessions_see_nothing_of_each_other(opened: Open) -> None:
    async with opened() as one, opened() as other:
        await one.call("write_file", path="secret", content="x")
        await other.run("echo mine > own")
        assert (await other.call("list_files")).text == "own  5 bytes"
        assert (await one.call("list_files")).text == "secret  1 bytes"
