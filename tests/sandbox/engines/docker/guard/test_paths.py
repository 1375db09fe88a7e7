"""The guard refuses paths that no worker needs, and paths and messages that can be read in two ways."""

from __future__ import annotations

import re
import socket

import pytest

from tests.sandbox.engines.docker.guard.guard import Guard

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "containers/create"),
        ("POST", "containers/create?name=other"),
        ("POST", "containers/create?name=cellblock-0123456789ab&platform=windows"),
        ("POST", "containers/prune"),
        ("GET", "containers/json?filters=x"),
        ("GET", 'containers/json?filters={"name":["x"]}'),
        ("GET", "containers/json?filters={}&filters={}"),
        ("GET", "images/json"),
        ("GET", "images/search?term=x"),
        ("GET", "images/alpine/json"),
        ("GET", "images/cellblock/bash:local/history"),
        ("GET", "images/cellblock/bash:local/get"),
        ("POST", "images/cellblock/bash:local/tag?repo=x"),
        ("POST", "images/cellblock/bash:local/push"),
        ("DELETE", "images/cellblock/bash:local"),
        ("POST", "images/create"),
        ("POST", "images/create?fromSrc=-&repo=cellblock/bash&tag=local"),
        ("POST", "images/create?fromImage=evil.example/x&tag=latest"),
        ("POST", "images/create?fromImage=python&tag=2.7"),
        ("POST", "images/create?fromImage=python"),
        ("POST", "images/create?fromImage=evil.example/python&tag=3.11-slim"),
        ("POST", "images/create?fromImage=python&tag=3.11-slim&tag=evil"),
        ("POST", "images/create?fromImage=python&tag=3.11-slim&repo=x"),
        ("POST", "images/create?fromImage=cellblock/bash&tag=local"),
        ("POST", "images/load"),
        ("POST", "images/prune"),
        ("POST", "build"),
        ("POST", "session"),
        ("POST", "commit?container=cellblock-0123456789ab"),
        ("POST", "volumes/create"),
        ("GET", "volumes"),
        ("GET", "networks"),
        ("POST", "networks/create"),
        ("POST", "networks/bridge/connect"),
        ("POST", "networks/prune"),
        ("GET", "events"),
        ("GET", "secrets"),
        ("GET", "configs"),
        ("GET", "plugins"),
        ("POST", "plugins/pull?remote=x"),
        ("POST", "swarm/init"),
        ("GET", "services"),
        ("GET", "nodes"),
        ("GET", "system/df"),
        ("POST", "auth"),
        ("POST", "exec/0/start"),
        ("GET", "exec/0/json"),
        ("GET", "distribution/python/json"),
        ("GET", "_ping?x=1"),
        ("POST", "_ping"),
        ("OPTIONS", "version"),
        ("CONNECT", "version"),
        ("TRACE", "version"),
        ("GET", ""),
        ("GET", "debug/pprof/"),
        ("GET", "metrics"),
    ],
)
def test_nothing_else_is_let_through(guard: Guard, method: str, path: str) -> None:
    assert guard.call(method, f"/v1.41/{path}") == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1.40/version",
        "/v1.23/version",
        "/v1.041/version",
        "/v2.41/version",
        "/V1.41/version",
        "/v1.41/v1.41/version",
        "//version",
        "/v1.41//version",
        "/./version",
        "/v1.41/../version",
        "/containers/%2e%2e/version",
        "/containers/..%2fversion",
        "/%252e%252e/version",
        "/version%00",
        "/version%0d%0aX:y",
        "/version%",
        "/version/",
        "/Version",
        "/version;x",
        "/version#x",
        "/version?",
        "/versi\u00f6n",
        "http://engine/version",
        "version",
        "*",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(guard: Guard, path: str) -> None:
    said = guard.say(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert said.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), said[:80]


HEAD = "POST /v1.41/containers/create?name=cellblock-0123456789ab HTTP/1.1\r\nHost: x\r\n"
UPGRADE = "Host: x\r\nConnection: Upgrade\r\nUpgrade: {}\r\n\r\n"
HIDDEN = "GET /v1.41/containers/json HTTP/1.1\r\nHost: x\r\n\r\n"
MESSAGES = {
    "chunked": HEAD + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "both lengths": HEAD
    + f"Content-Length: {len(HIDDEN)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "two lengths": HEAD + f"Content-Length: 2\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{{}}{HIDDEN}",
    "a length of another alphabet": HEAD + "Content-Length: +2\r\n\r\n{}",
    "an obscured chunking": HEAD + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": HEAD + "Content-Length : 2\r\n\r\n{}",
    "a folded header": HEAD + "X: y\r\n Content-Length: 2\r\n\r\n{}",
    "a bare line feed": HEAD.replace("\r\n", "\n") + "Content-Length: 2\n\n{}",
    "a body to be asked for": HEAD + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "another protocol": "GET /version HTTP/1.1\r\n" + UPGRADE.format("h2c"),
    "an upgrade of what is no stream": "GET /version HTTP/1.1\r\n" + UPGRADE.format("tcp"),
    "no body, chunked": "GET /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no body, to be asked for": "GET /version HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    "an old version": "GET /version HTTP/1.0\r\n\r\n",
    "none at all": "GET /version\r\n\r\n",
    "no host": "GET /version HTTP/1.1\r\n\r\n",
    "two hosts": "GET /version HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a head without end": "GET /version HTTP/1.1\r\nHost: x\r\nX: " + "y" * 100_000,
    "a body too large": HEAD + "Content-Length: 99999999\r\n\r\n{",
    "a length beyond every number": HEAD + f"Content-Length: {'9' * 5000}\r\n\r\n{{",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_a_message_that_can_be_read_in_two_ways_is_answered_once_and_refused(
    guard: Guard, message: str
) -> None:
    said = guard.say(message.encode("latin-1"))
    assert said.count(b"HTTP/1.1 ") <= 1
    assert said.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")) or not said, said[:80]


def test_calls_one_behind_the_other_are_each_judged_and_none_behind_a_refused_one(guard: Guard) -> None:
    ping = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
    exec_ = "POST /v1.41/containers/x/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", guard.port), timeout=20) as connection:
        connection.sendall((ping + ping + exec_ + ping).encode())
        said = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"200", b"403"]
