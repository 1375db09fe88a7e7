"""Who may reach the server over HTTP, and what is bounded there."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis
import requests
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from api.mcp.sessions import MOST_BODY_BYTES, MOST_HELD_BYTES
from tests.api.mcp.bare import BareClient, call
from tests.api.mcp.conftest import ALICE, BOB
from tests.api.mcp.talking import HttpServer, running_http, session_over_http, session_over_stdio
from tests.programs import ROOT, run_cli
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Worker


PING = {"id": 2, "method": "ping"}


def alices(server: HttpServer) -> BareClient:
    client = BareClient(server.url, ALICE)
    client.open()
    return client


@pytest.mark.parametrize("token", [None, "", "x", f"{ALICE}x", "é"])
def test_without_a_known_token_nothing_is_answered(server: HttpServer, token: str | None) -> None:
    answer = BareClient(server.url, token and token.encode().decode("latin-1")).open()
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "token is missing or not known" in answer.text


def test_another_tenants_session_is_answered_as_one_that_does_not_exist(server: HttpServer) -> None:
    mine = alices(server)
    theirs = BareClient(server.url, BOB, mine.session_id).send(call("true"))
    nobodys = BareClient(server.url, BOB, "0" * 32).send(call("true"))
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert "succeeded" in mine.send(call("true")).text


def owners(worker: Worker) -> set[str]:
    """The tenants that have a workspace."""
    with redis.Redis.from_url(worker.broker_url, decode_responses=True) as client:
        return {key.split(":")[1] for key in client.scan_iter("cellblock.blob:*")}


@pytest.mark.anyio
async def test_a_job_is_its_tenants(server: HttpServer, worker: Worker) -> None:
    async with session_over_http(server.url, BOB) as session:
        await session.run("echo > file")
        assert "bob" in owners(worker)
    async with session_over_stdio(worker.broker_url, "--tenant=dave") as session:
        await session.run("echo > file")
        assert "dave" in owners(worker)


@pytest.mark.anyio
async def test_a_job_gets_what_its_token_allows(server: HttpServer) -> None:
    async with session_over_http(server.url, BOB) as session:
        answer = await session.run("sleep 60")
        assert (answer.facts["status"], answer.facts["limit"]) == ("timed_out", "timeout")
        more = await session.run("true", timeout_s=3)
        assert (more.is_error, more.text) == (True, "timeout=3 s is above the 2 s that this token allows.")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "evil.example", 421),
        ("Host", "127.0.0.1.evil.example:80", 421),
        ("Origin", "http://evil.example", 403),
        ("Origin", "http://127.0.0.1.evil.example", 403),
        ("Origin", "null", 403),
    ],
)
def test_no_web_page_reaches_it_under_a_name_of_its_own(
    server: HttpServer, header: str, value: str, status: int
) -> None:
    client = BareClient(server.url, ALICE, headers={header: value})
    assert client.open().status_code == status
    assert value not in server.log()


def test_a_name_that_the_operator_allows_is_answered(worker: Worker, tmp_path: Path) -> None:
    names = "mcp.example.com,[::2]:80"
    with running_http(tmp_path, worker.broker_url, CELLBLOCK_MCP_HOSTS=names) as server:
        for host, status in (("mcp.example.com", 200), ("[::2]:80", 200), ("example.com", 421)):
            headers = {"Host": host, "Origin": f"https://{host}"}
            assert BareClient(server.url, headers=headers).open().status_code == status


def test_a_body_that_is_too_large_is_refused(server: HttpServer) -> None:
    assert alices(server).send(b" " * (MOST_BODY_BYTES + 1)).status_code == 413


def test_bodies_that_wait_take_only_so_much_and_nothing_from_another_tenant(server: HttpServer) -> None:
    address, mine = urlsplit(server.url), alices(server)
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ALICE}\r\n"
    with ExitStack() as stack:
        for _ in range(MOST_HELD_BYTES // MOST_BODY_BYTES):
            slow = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            slow.sendall(f"{head}Content-Length: {MOST_BODY_BYTES}\r\n\r\n{{".encode())
        wait_until(lambda: mine.send(PING).status_code == 503, 10, "there is no room")
        assert BareClient(server.url, BOB).open().status_code == 200
    wait_until(lambda: mine.send(PING).status_code == 200, 10, "there is room again")


def test_calls_that_wait_take_only_so_much(worker: Worker, tmp_path: Path) -> None:
    with running_http(tmp_path, worker.broker_url, CELLBLOCK_MCP_ANSWER="50") as server:
        client = BareClient(server.url)
        client.open()

        def send(command: str, number: int) -> requests.Response:
            large = {"command": command, "stdin": "x" * (MOST_BODY_BYTES - (1 << 20))}
            return client.send(
                {**call("", number), "params": {"name": "run", "arguments": large}}, stream=True
            )

        for number in range(2, 2 + MOST_HELD_BYTES // MOST_BODY_BYTES + 1):
            send("sleep 40", number).close()
        refusal = "The server has no room for this call now."
        wait_until(lambda: refusal in send("true", 20).text, 10, "one call more is refused")


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b'{"jsonrpc": "2.0", "id": {}}'])
def test_junk_is_refused_and_the_session_goes_on(server: HttpServer, junk: bytes) -> None:
    client = alices(server)
    assert 400 <= client.send(junk).status_code < 500
    assert "succeeded" in client.send(call("true")).text
    assert "Traceback" not in server.log()


def test_a_session_more_than_the_bound_is_refused_and_another_tenants_is_not(
    worker: Worker, tmp_path: Path
) -> None:
    tokens = f"{ALICE} alice\n{BOB} bob\n"
    with running_http(tmp_path, worker.broker_url, tokens, CELLBLOCK_MCP_SESSIONS="2") as server:
        clients = [BareClient(server.url, token) for token in (ALICE, ALICE, ALICE, BOB)]
        assert [client.open().status_code for client in clients] == [200, 200, 503, 200]
        headers = {"Authorization": f"Bearer {ALICE}", "Mcp-Session-Id": clients[0].session_id or ""}
        assert requests.delete(server.url, headers=headers, timeout=10).status_code == 200
        assert clients[2].open().status_code == 200


@pytest.mark.anyio
async def test_the_protocol_without_sessions_is_refused_with_the_versions_that_have_them(
    server: HttpServer,
) -> None:
    async with session_over_http(server.url, ALICE, mode=LATEST_MODERN_VERSION) as session:
        with pytest.raises(MCPError, match="A workspace needs a session") as refused:
            await session.run("true")
    assert refused.value.data["supported"] == list(HANDSHAKE_PROTOCOL_VERSIONS)
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("options", "settings", "sentence"),
    [
        (["--http=0", "--host=0.0.0.0"], {}, "CELLBLOCK_API_TOKENS_FILE is not set"),
        (["--http=0", "--host=192.0.2.1"], {"CELLBLOCK_API_TOKENS_FILE": "TOKENS"}, "Cannot assign"),
        (["--http=0", "--tenant=a"], {"CELLBLOCK_API_TOKENS_FILE": "TOKENS"}, "--tenant: the tokens in"),
        (["--tenant=a b"], {}, "--tenant: give 1 to 64"),
        ([], {"CELLBLOCK_BLOBS": "off"}, "CELLBLOCK_BLOBS=off: `cellblock mcp` keeps workspaces"),
        ([], {"CELLBLOCK_MCP_HOSTS": "http://x"}, "CELLBLOCK_MCP_HOSTS"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(
    tmp_path: Path, options: list[str], settings: dict[str, str], sentence: str
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{ALICE} alice\n")
    given = {name: str(file) if value == "TOKENS" else value for name, value in settings.items()}
    done = run_cli("mcp", *options, **given)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


@pytest.fixture(scope="module")
def open_server(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    folder = tmp_path_factory.mktemp("open")
    with running_http(folder, worker.broker_url, None, "--tenant=carol") as server:
        yield server


def test_without_tokens_anyone_on_this_machine_may_run_commands_and_the_log_says_so(
    open_server: HttpServer,
) -> None:
    client = BareClient(open_server.url)
    client.open()
    assert "succeeded" in client.send(call("true")).text
    assert "anyone on this machine may run commands" in open_server.log()


def test_it_needs_no_package_of_the_http_api() -> None:
    program = "import sys, api.mcp.over_http, api.mcp.over_stdio; sys.exit('fastapi' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_there_is_nothing_at_other_addresses(open_server: HttpServer) -> None:
    assert requests.get(open_server.url.removesuffix("/mcp"), timeout=10).status_code == 404
