"""What tools refuse: each is an answer that a model can read and correct, and none ends the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from mcp.shared.exceptions import MCPError

from api.mcp.arguments import RunArguments, read_arguments
from api.mcp.refusal import Refused

if TYPE_CHECKING:
    from tests.api.mcp.talking import Session
    from tests.programs import Worker

LONG = "x" * 300
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("run", {}, "Give either `command` or `code`."),
    ("run", {"command": "true", "code": "1"}, "Give either `command` or `code`."),
    ("run", {"command": 5}, "'command': Input should be a valid string."),
    ("run", {"command": "true", "nonsense": LONG}, "'nonsense': Extra inputs are not permitted."),
    ("run", {"command": "true", "runtime": "cobol"}, "There is no runtime 'cobol'. There are: bash,"),
    ("run", {"code": "1", "runtime": "cobol"}, "There is no runtime 'cobol'."),
    ("run", {"command": "true", "timeout_s": 0}, "'timeout_s': Input should be greater than 0."),
    ("run", {"command": "true", "timeout_s": 1e9}, "timeout=1e+09 s is above the maximum of 600 s"),
    ("run", {"command": "a\0b"}, "cmd contains a NUL"),
    ("run", {"command": "true", "files": {"../x": ""}}, "path['../x']: the path leads outside /workspace"),
    ("run", {"command": "true", "files": {"a": "", "a/b": ""}}, "files: 'a' is a file and the folder of"),
    ("run", {"command": "true", "files": {"a": 5}}, "'files.a': Input should be a valid string."),
    ("write_file", {"path": "a"}, "'content': Field required."),
    ("write_file", {"path": "/etc/passwd", "content": ""}, "path['/etc/passwd']: the path leads outside"),
    ("write_file", {"path": "/workspace/../x", "content": ""}, "path['../x']: the path leads outside"),
    ("write_file", {"path": LONG, "content": ""}, f"path['{'x' * 58}…]: the path is too long"),
    ("write_file", {"path": "a/" * 40, "content": ""}, "path['a/a/a"),
    ("write_file", {"path": "", "content": ""}, "path['']: the path names no file."),
    ("write_file", {"path": "a\0b", "content": ""}, "A path in path contains a NUL"),
    (
        "write_file",
        {"path": "a", "content": "!", "is_base64": True},
        "files['a']: its \"base64\" is not valid",
    ),
    ("read_file", {"path": "none"}, "none: there is no such file or folder. Try: `list_files`."),
    (
        "read_file",
        {"path": "a", "length": 1 << 30},
        "'length': Input should be less than or equal to",
    ),
    ("read_file", {"path": "a", "offset": -1}, "'offset': Input should be greater than or equal to 0."),
    ("read_file", {"path": "$(touch x); -n"}, "$(touch x); -n: there is no such file or folder."),
    ("list_files", {"folder": "none"}, "none: there is no such file or folder."),
    ("list_files", {"folder": ".."}, "path['..']: the path leads outside /workspace"),
    ("result", {}, "This session has not run any job yet."),
    ("result", {"job": LONG}, f"This session has no job '{'x' * 58}…."),
    ("cancel", {"job": "x"}, "This session has no job 'x'."),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "arguments", "sentence"), REFUSED)
async def test_a_bad_call_is_refused_in_one_sentence(
    idle: Session, tool: str, arguments: dict[str, Any], sentence: str
) -> None:
    answer = await idle.call(tool, **arguments)
    assert answer.is_error
    assert answer.text.startswith(sentence)
    assert (len(answer.text) < 400, "\n" in answer.text) == (True, False)


@pytest.mark.anyio
async def test_an_unknown_tool_is_an_error_of_the_protocol(idle: Session) -> None:
    with pytest.raises(MCPError, match=r"There is no tool 'x+…"):
        await idle.call(LONG)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("folder", "folder: it is a folder. Try: `list_files`."),
        ("pipe", "pipe: it is neither of the kind that is wanted nor a link to one."),
        ("dangling", "dangling: it is neither of the kind that is wanted nor a link to one."),
    ],
)
async def test_what_is_no_file_is_not_read(session: Session, path: str, sentence: str) -> None:
    await session.run("mkdir folder; mkfifo pipe; ln -s none dangling")
    answer = await session.call("read_file", path=path)
    assert (answer.is_error, answer.text) == (True, sentence)


@pytest.mark.anyio
async def test_no_file_is_written_in_the_place_of_a_folder(session: Session) -> None:
    await session.run("mkdir folder; touch file folder/full")
    for path in ("folder", "file/below"):
        answer = await session.call("write_file", path=path, content="x")
        assert (answer.is_error, "give no file the path of a folder" in answer.text) == (True, True)
    assert await session.stdout("find . -type f | sort") == "./file\n./folder/full\n"


@pytest.mark.anyio
async def test_many_files_with_long_names_are_listed_within_bounds(patient: Session) -> None:
    await patient.run("for i in $(seq 3000); do : > $i-$(printf %0200d 0); done")
    answer = await patient.call("list_files")
    assert (len(answer.facts["files"]), answer.facts["is_all"]) == (1000, False)
    assert answer.text.endswith("[only 1000 are listed, and there are more; list a folder, or `run` find]")


@pytest.mark.anyio
async def test_a_workspace_that_has_expired_is_empty_from_then_on_and_the_answer_says_so(
    session: Session, worker: Worker
) -> None:
    await session.run("echo x > a")
    with redis.Redis.from_url(worker.broker_url) as client:
        for key in client.scan_iter("cellblock.blob*"):
            client.delete(key)
    answer = await session.run("ls")
    assert (answer.is_error, answer.text.startswith("The files of this session have expired")) == (True, True)
    assert await session.stdout("ls") == ""


def test_what_was_given_is_never_repeated() -> None:
    with pytest.raises(Refused) as refused:
        read_arguments(RunArguments, {"command": ["secret"], "stdin": 5})
    assert "secret" not in str(refused.value)
