"""What the client refuses before anything is sent: no test here has a broker."""

from __future__ import annotations

from typing import Any

import pytest

from cellblock import Cellblock, InvalidJob, run_sandboxed
from cellblock.check import checked_request


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"cmd": "a\0b"}, "cmd contains a NUL"),
        ({"cmd": []}, "cmd: give text for the cell's shell, or a list"),
        ({"cmd": "true", "timeout": "soon"}, "timeout: 'soon' is not a number."),
        ({"cmd": "true", "memory": "1k"}, "memory=1 KiB is below the least possible, 16 MiB."),
        ({"cmd": "true", "files": {"../x": ""}}, "the path leads outside /workspace"),
        ({"cmd": "true", "stdin": 3}, "stdin is a int; give text"),
        ({"cmd": "true", "env": {"1": ""}}, "is no name of a variable"),
        ({"cmd": "true", "artifacts": "*"}, "artifacts: give a list of patterns"),
        ({"cmd": "cat", "runs": [{"stdin": "a"}, {"in": "a"}]}, r"runs\[1\]: there is no 'in'"),
        ({"cmd": "cat", "runs": [{}], "compare": "near"}, "compare: 'near' is no comparison"),
        ({"cmd": "true", "check": 1}, "check: give true or false."),
        ({"cmd": "true", "memmory": 1}, "There is no argument 'memmory'"),
        ({"cmd": "true", "tenant": "a b"}, "cellblock_tenant: give 1 to 64 of the characters"),
    ],
)
def test_a_bad_request_is_refused_at_once(nobody: str, request_: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidJob, match=says):
        Cellblock(nobody).submit(**request_)


def test_a_task_with_no_command_is_refused_as_celerys_method_is_called() -> None:
    with pytest.raises(InvalidJob, match="missing a required argument: 'cmd'"):
        run_sandboxed.apply_async()


def test_a_signature_is_checked_too() -> None:
    with pytest.raises(InvalidJob, match="timeout"):
        run_sandboxed.s("true", timeout=-1)


def test_what_is_sent_is_plain_json() -> None:
    sent = checked_request(("echo",), {"files": {"a": b"\xff"}, "artifacts": ("*",), "check": None})
    assert sent == {"files": {"a": {"base64": "/w=="}}, "artifacts": ["*"], "check": None}
    runs = ({"stdin": b"\xff", "args": ("a",)},)
    assert checked_request("cat", {"runs": runs})["runs"] == [{"stdin": {"base64": "/w=="}, "args": ["a"]}]


@pytest.mark.parametrize(
    ("addresses", "says"),
    [
        (("localhost",), "broker_url: give an address with its scheme"),
        (("redis://localhost", "http://x"), "backend_url: http:// cannot be used"),
        (("amqp://localhost",), "results are read from a Redis"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(addresses: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cellblock(*addresses)


def test_a_client_shows_its_broker_without_the_password() -> None:
    assert repr(Cellblock("redis://:secret@localhost/1")) == "Cellblock('redis://:**@localhost:6379/1')"
