"""What a job may ask of the network."""

from __future__ import annotations

import pytest

from config import load_settings
from config.hosts import Host
from sandbox import InvalidJob
from sandbox.network import parse_network
from sandbox.proxy import squid_rules

HOSTS = {"network_hosts": "*.example.com,example.net:8443"}


@pytest.mark.parametrize("nothing", [None, False, []])
def test_nothing_asked_is_no_network(nothing: object) -> None:
    assert parse_network(nothing, load_settings()) is False


def test_listed_hosts_are_given_as_asked() -> None:
    asked = ["api.example.com", "example.net:8443"]
    assert parse_network(asked, load_settings(**HOSTS)) == (
        Host("api.example.com", (80, 443)),
        Host("example.net", (8443,)),
    )


def test_a_network_of_everything_allows_no_list_and_a_list_allows_not_everything() -> None:
    with pytest.raises(InvalidJob, match="CELLBLOCK_NETWORK_HOSTS"):
        parse_network(["api.example.com"], load_settings(network=True))
    with pytest.raises(InvalidJob, match=r"\(CELLBLOCK_NETWORK\)"):
        parse_network(True, load_settings(**HOSTS))


def test_the_legacy_mode_can_keep_nobody_to_a_list() -> None:
    with pytest.raises(InvalidJob, match="ENABLE_DOCKER"):
        parse_network(["api.example.com"], load_settings(enable_docker=False, **HOSTS))


def test_the_proxys_rules_end_with_a_refusal_and_allow_each_host_by_its_ports() -> None:
    rules = squid_rules([Host("a.example.com"), Host("b.example.com", (8443,))], "10.1.0.0/16").splitlines()
    allowed = [line for line in rules if line.startswith("http_access allow")]
    assert rules[-1] == "http_access deny all"
    assert [line.split()[2:4] for line in allowed] == [["host0", "ports0"], ["host1", "ports1"]]
    assert {"acl host1 dstdomain -n b.example.com", "acl ports1 port 8443"} <= set(rules)
