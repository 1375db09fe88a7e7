"""How hosts are written, and which hosts a pattern matches."""

from __future__ import annotations

import pytest

from config import InvalidSetting, load_settings
from config.hosts import Host, covers, parse_host, parse_patterns


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com", Host("api.example.com", (80, 443))),
        (" API.Example.com ", Host("api.example.com", (80, 443))),
        ("api.example.com:8443", Host("api.example.com", (8443,))),
        ("xn--bcher-kva.example", Host("xn--bcher-kva.example", (80, 443))),
    ],
)
def test_a_host_is_a_name_and_perhaps_a_port(text: str, host: Host) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost", "example.com.", ".example.com", "a..b.com", "-a.example.com", "a_b.example.com"),
        *("10.0.0.1", "0x7f.1", "127.1", "[::1]", "::1", "1.2.3.0x4", "*.example.com", "*", "bücher.example"),
        *(
            "1.com.1",
            "a.com:0",
            "a.com:65536",
            "a.com:",
            "a.com:x",
            "a.com:80:80",
            "http://a.com",
            "a.com/x",
            "u@a.com",
        ),
        *("a.com b.com", "a.com\nb.com", f"{'a' * 64}.com", f"{'a.' * 130}com"),
    ],
)
def test_what_is_no_name_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"no host|the port"):
        parse_host(text)


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "x.api.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("api.example.com", "api.example.com:8443", False),
        ("api.example.com:8443", "api.example.com:8443", True),
        ("api.example.com", "api.example.com:443", True),
        ("api.example.com:443", "api.example.com", False),
    ],
)
def test_a_pattern_covers_names_and_ports(pattern: str, host: str, covered: bool) -> None:
    assert covers(parse_patterns(pattern), parse_host(host)) is covered


def test_a_bad_pattern_stops_the_worker_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_NETWORK_HOSTS", "api.example.com,10.0.0.1")
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_NETWORK_HOSTS.*'10\.0\.0\.1' is no host"):
        load_settings()


def test_no_host_is_allowed_unless_the_operator_says_so() -> None:
    assert load_settings().allowed_hosts == ()


@pytest.mark.parametrize("text", [f"{'a' * 63}.com", f"{'a.' * 125}abc", "a.com:1", "a.com:65535"])
def test_the_longest_name_and_every_port_are_taken(text: str) -> None:
    assert parse_host(text).name == text.partition(":")[0]


def test_patterns_are_a_list_with_commas() -> None:
    assert parse_patterns(" a.com , *.b.com:8443,") == (Host("a.com"), Host("*.b.com", (8443,)))
