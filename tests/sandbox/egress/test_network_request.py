"""The network access that a job may ask for."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from config import load_settings
from config.hosts import Host
from sandbox import InvalidJob
from sandbox.egress.network_request import parse_network
from sandbox.egress.proxy import squid_rules

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


@pytest.mark.parametrize(("runtime", "is_refused"), [("runsc", True), ("kata-fc", True), ("crun", False)])
def test_a_cell_with_a_kernel_of_its_own_cannot_have_a_list(runtime: str, *, is_refused: bool) -> None:
    settings = load_settings(oci_runtime=runtime, **HOSTS)
    with pytest.raises(InvalidJob, match="CELLBLOCK_OCI_RUNTIME") if is_refused else nullcontext():
        parse_network(["api.example.com"], settings)


def test_the_proxys_rules_end_with_a_refusal_and_allow_each_host_by_its_ports() -> None:
    rules = squid_rules([Host("a.example.com"), Host("b.example.com", (8443,))]).splitlines()
    allowed = [line for line in rules if line.startswith("http_access allow")]
    assert rules[-1] == "http_access deny all"
    assert [line.split()[2:4] for line in allowed] == [["host0", "ports0"], ["host1", "ports1"]]
    assert {"acl host1 dstdomain -n b.example.com", "acl ports1 port 8443"} <= set(rules)


def test_the_proxy_makes_few_connections_for_each_that_is_made_to_it() -> None:
    """The relay limits the rate of connections to the proxy, so this limits the rate to the hosts too."""
    rules = squid_rules([Host("a.example.com")]).splitlines()
    assert {"client_persistent_connections off", "forward_max_tries 2"} <= set(rules)


@pytest.mark.parametrize("asked", [["10.0.0.1"], ["localhost"], [7], [None]])
def test_what_is_no_host_is_refused_in_one_sentence(asked: list[object]) -> None:
    with pytest.raises(InvalidJob, match=r"^network: .* is no host such as .*\.$"):
        parse_network(asked, load_settings(**HOSTS))


@pytest.mark.parametrize(("count", "fits"), [(32, True), (33, False)])
def test_a_job_may_list_32_hosts(count: int, fits: bool) -> None:
    hosts = [f"h{number}.example.com" for number in range(count)]
    with nullcontext() if fits else pytest.raises(InvalidJob, match="there are 33 hosts; give at most 32"):
        assert len(parse_network(hosts, load_settings(**HOSTS))) == 32  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [1, "api.example.com", {}, 0])
def test_what_is_neither_a_flag_nor_a_list_is_refused(asked: object) -> None:
    with pytest.raises(InvalidJob, match="give true or false, or a list of hosts"):
        parse_network(asked, load_settings(**HOSTS))
