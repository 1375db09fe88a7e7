"""The tree of errors, and how the engine's errors are mapped to it."""

from __future__ import annotations

import errno
import inspect
import json
import pickle
from typing import TYPE_CHECKING

import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

import sandbox.errors
from sandbox import (
    CellblockError,
    CommandFailed,
    EngineFailed,
    EngineUnreachable,
    ImageMissing,
    InvalidJob,
    SandboxUnavailable,
)
from sandbox.engines.docker.client import map_error, mapped_errors

if TYPE_CHECKING:
    from collections.abc import Iterator


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from subclasses(sub)


def made(kind: type[Exception]) -> Exception:
    """An instance of the error, made without the arguments of its constructor."""
    error = kind.__new__(kind, "went wrong")
    error.args = ("went wrong",)
    attributes = dict.fromkeys(("name", "param", "msg"), "it") | dict.fromkeys(
        ("partial", "expected", "length"), 0
    )
    vars(error).update(attributes | {"response": None, "explanation": None})
    return error


FAMILIES = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
)
FOREIGN = sorted(
    {kind for family in FAMILIES for kind in subclasses(family)},
    key=lambda kind: (kind.__module__, kind.__qualname__),
)
OURS = sorted(subclasses(CellblockError), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_error_of_the_sdk_and_below_is_a_sandbox_that_is_unavailable(kind: type[Exception]) -> None:
    with pytest.raises(SandboxUnavailable, match="engine"), mapped_errors("start a cell"):
        raise made(kind)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "No permission .* Try: .*usermod -aG docker"),
        (errno.EPERM, "No permission .* Try: .*usermod -aG docker"),
        (errno.ENOENT, "No container engine answers at unix:///x.* Try: .*systemctl start docker"),
        (errno.ECONNREFUSED, "No container engine answers at unix:///x.* Try: .*systemctl start docker"),
        (errno.ECONNRESET, "could not be asked to start a cell"),
    ],
    ids=errno.errorcode.get,
)
def test_what_the_system_says_becomes_what_to_try(number: int, words: str) -> None:
    cause = OSError(number, "from the system")
    wrapped = docker.errors.DockerException("while fetching", requests.exceptions.ConnectionError(cause))
    error = map_error(wrapped, "start a cell", "unix:///x")
    assert isinstance(error, EngineUnreachable)
    with pytest.raises(EngineUnreachable, match=words):
        raise error


@pytest.mark.parametrize(
    "kind", [TimeoutError, requests.exceptions.ReadTimeout, requests.exceptions.ConnectTimeout]
)
def test_no_answer_in_time_is_said_as_such(kind: type[Exception]) -> None:
    error = map_error(kind("slow"), "create a cell", "unix:///x")
    assert isinstance(error, EngineUnreachable)
    assert "did not create a cell in time" in str(error)


def test_an_answer_that_refuses_is_an_engine_that_failed() -> None:
    error = map_error(docker.errors.APIError("500", explanation="no space left"), "create a cell")
    assert isinstance(error, EngineFailed)
    assert str(error) == "The engine could not create a cell: no space left."


def test_a_missing_image_is_told_from_other_refusals() -> None:
    error = map_error(docker.errors.ImageNotFound("404", explanation="no such image"), "create a cell")
    assert isinstance(error, ImageMissing)
    assert "Try: cellblock images build" in str(error)


def test_an_error_of_ours_passes_as_it_is() -> None:
    with pytest.raises(InvalidJob), mapped_errors("create a cell"):
        raise InvalidJob("the job's own fault")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_survives_json_and_pickle(kind: type[CellblockError]) -> None:
    error = kind("one sentence")
    for copy in (pickle.loads(pickle.dumps(error)), kind(*json.loads(json.dumps(error.args)))):
        assert (type(copy), str(copy), copy.args) == (kind, str(error), error.args)


def test_a_failed_command_brings_its_result_and_keeps_it_out_of_the_logs() -> None:
    error = CommandFailed("The command failed.", {"stdout": "private"})
    assert pickle.loads(pickle.dumps(error)).result == {"stdout": "private"}
    assert "private" not in f"{error!r} {error}"


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    tree = [line for line in inspect.getdoc(sandbox.errors).splitlines() if "─" in line or "Error" in line]  # type: ignore[union-attr]
    for kind in OURS:
        (depth,) = {line.index(kind.__name__) for line in tree if f" {kind.__name__} " in f"{line} "}
        assert depth // 4 == len(kind.__mro__) - len(CellblockError.__mro__) + depth_of_root(tree)


def depth_of_root(tree: list[str]) -> int:
    return next(line.index("CellblockError") for line in tree if "CellblockError" in line) // 4
