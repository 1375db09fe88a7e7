"""How the guard reads one call. These tests need no engine and no connection."""

from __future__ import annotations

import json
import time
from typing import Any

import h11
import pytest

from config import load_settings
from config.hosts import Host
from sandbox.egress.proxy import squid_rules
from sandbox.engines.docker.guard.call import Call, Refused, body_bytes, parse_json, read_call
from sandbox.engines.docker.guard.order import Order
from sandbox.engines.docker.guard.varying import check_labels, check_rules, limits_of
from sandbox.labels import LIMITS as LABEL
from sandbox.limits import Limits

SETTINGS = load_settings(owner="we", network_hosts="*.example.com")
LIMITS = Limits(10.0, 1.0, 64 << 20, 1.0, 32, 1 << 20, 1000, None, 8 << 20)


def request(target: str = "/v1.41/version", *headers: tuple[str, str], method: str = "GET") -> h11.Request:
    return h11.Request(method=method, target=target, headers=[("Host", "x"), *headers])


def test_a_call_is_its_method_version_path_query_and_body() -> None:
    asked = request("/v1.43/containers/json?all=1&limit=", method="POST")
    assert read_call(asked, b'{"a": 1}') == Call(
        "POST", "/v1.43", ("containers", "json"), {"all": "1", "limit": ""}, {"a": 1}
    )


def test_a_call_needs_no_version_and_no_body() -> None:
    call = read_call(request("/_ping"), b"")
    assert (call.version, call.path, call.body, call.upgrade) == ("", ("_ping",), None, False)


def test_streams_are_asked_for_as_tcp() -> None:
    assert read_call(request("/x", ("Upgrade", "TCP")), b"").upgrade
    with pytest.raises(Refused, match="no other protocol"):
        read_call(request("/x", ("Upgrade", "h2c")), b"")


@pytest.mark.parametrize("query", ["a", "a=1&a=2", "=&=", "&".join(f"n{n}=1" for n in range(17)), "a=%ff"])
def test_a_query_that_can_be_read_in_two_ways_is_refused(query: str) -> None:
    with pytest.raises(Refused, match="query"):
        read_call(request(f"/version?{query}"), b"")


def test_a_query_may_have_sixteen_names() -> None:
    names = [f"n{number}" for number in range(16)]
    call = read_call(request(f"/version?{'=1&'.join(names)}=1"), b"")
    assert list(call.query) == names


@pytest.mark.parametrize(("minor", "is_one"), [(40, False), (41, True), (49, True), (99, True), (100, False)])
def test_what_is_before_141_is_no_version_of_the_api(minor: int, *, is_one: bool) -> None:
    call = read_call(request(f"/v1.{minor}/version"), b"")
    assert (call.version, call.path[0]) == ((f"/v1.{minor}", "version") if is_one else ("", f"v1.{minor}"))


@pytest.mark.parametrize(("token", "passes"), [("a" * 8192, True), ("a" * 8193, False), ("a b", False)])
def test_a_registrys_credentials_go_on_where_they_are_some(token: str, *, passes: bool) -> None:
    asked = request("/x", ("X-Registry-Auth", token))
    if passes:
        assert read_call(asked, b"").registry_auth == token
    else:
        with pytest.raises(Refused, match="no credentials"):
            read_call(asked, b"")


@pytest.mark.parametrize(("length", "passes"), [("524288", True), ("524289", False)])
def test_a_body_has_half_a_mebibyte_at_most(length: str, *, passes: bool) -> None:
    asked = request("/x", ("Content-Length", length), method="POST")
    if passes:
        assert body_bytes(asked) == int(length)
    else:
        with pytest.raises(Refused, match="more than 524288"):
            body_bytes(asked)


def test_without_a_length_there_is_no_body() -> None:
    assert body_bytes(request()) == 0


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', "NaN", "[Infinity]", "{} {}", "{", "[" * 100_000, "\xff"]
)
def test_json_that_two_parsers_could_disagree_about_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_json(text.encode("latin-1"))


def test_what_the_engine_gets_is_written_anew() -> None:
    call = Call("POST", "/v1.41", ("x",), {}, upgrade=True)
    order = Order.of(call, "containers", "a b/..", query={"q": "a&b"}, body={"a": 1}, registry_auth="token")
    head, data, _ = order.events()
    assert isinstance(head, h11.Request)
    assert head.target == b"/v1.41/containers/a%20b%2F..?q=a%26b"
    assert dict(head.headers) == {
        b"host": b"engine",
        b"content-length": b"8",
        b"content-type": b"application/json",
        b"connection": b"Upgrade",
        b"upgrade": b"tcp",
        b"x-registry-auth": b"token",
    }
    assert isinstance(data, h11.Data)
    assert data.data == b'{"a": 1}'


def labels(**more: Any) -> dict[str, Any]:
    usual = {"cellblock.owner": "we", "cellblock.deadline": f"{time.time() + 60:.0f}"}
    return usual | {name.replace("_", "."): value for name, value in more.items()}


def test_labels_that_a_worker_writes_pass_as_they_are() -> None:
    written = labels(cellblock_task="t" * 4096)
    assert check_labels(written, SETTINGS) == written


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        labels() | {"cellblock.owner": "they"},
        labels(cellblock_task="t" * 4097),
        labels(cellblock_task="a\0b"),
        labels(cellblock_task="\udfff"),
        labels(cellblock_task=1),
        labels(other_task="t"),
        labels() | {"cellblock." + "x" * 33: "t"},
        labels() | {"cellblock.deadline": "soon"},
        {"cellblock.owner": "we"},
    ],
)
def test_labels_that_no_worker_writes_are_refused(written: object) -> None:
    with pytest.raises(Refused):
        check_labels(written, SETTINGS)


@pytest.mark.parametrize(("more_s", "passes"), [(-60, True), (60, False)])
def test_a_deadline_lies_a_day_beyond_the_longest_job_at_most(more_s: float, *, passes: bool) -> None:
    most = time.time() + SETTINGS.longest.reap_s + SETTINGS.warm_age + 86_400
    written = labels() | {"cellblock.deadline": f"{most + more_s:.0f}"}
    if passes:
        assert check_labels(written, SETTINGS)
    else:
        with pytest.raises(Refused, match="too far away"):
            check_labels(written, SETTINGS)


def test_limits_are_read_from_their_label() -> None:
    assert limits_of({LABEL: LIMITS.text}, SETTINGS) == LIMITS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[" * 100_000,
        LIMITS.text + " ",
        LIMITS.text.replace("10.0", "601.0"),
        LIMITS.text.replace('"pids": 32', '"pids": 3'),
        json.dumps(json.loads(LIMITS.text) | {"more": 1}),
    ],
    ids=range(7),
)
def test_limits_beyond_the_maxima_or_written_otherwise_are_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"cellblock\.limits"):
        limits_of({LABEL: text}, SETTINGS)
    with pytest.raises(Refused, match=r"cellblock\.limits"):
        limits_of({}, SETTINGS)


def hosts(count: int, *ports: int) -> str:
    return squid_rules([Host(f"h{number}.example.com", ports or (443,)) for number in range(count)])


@pytest.mark.parametrize("rules", [hosts(1), hosts(32), hosts(2, 80, 443)])
def test_rules_for_hosts_that_the_operator_allows_pass(rules: str) -> None:
    check_rules(rules, SETTINGS)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (hosts(33), "does not allow"),
        (hosts(0), "does not allow"),
        (hosts(1, 22), "does not allow"),
        (hosts(1).replace("h0.example.com", "h0.example.org"), "does not allow"),
        (hosts(1).replace("h0.example.com", "-h0.example.com"), "no host"),
        (hosts(1) + "http_access allow all\n", "say more"),
    ],
)
def test_all_other_rules_are_refused(rules: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        check_rules(rules, SETTINGS)
