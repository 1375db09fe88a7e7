"""Addresses of brokers and result backends: how they are parsed and passed to Celery."""

from __future__ import annotations

import ssl

import pytest

from config.address import Address, Kind, Tls
from config.address_text import parse_address, shown_address

REDIS = ("redis", 6379)


@pytest.mark.parametrize(
    ("text", "kind", "hosts", "database"),
    [
        ("redis://redis", Kind.REDIS, (REDIS,), 0),
        ("redis://", Kind.REDIS, (("localhost", 6379),), 0),
        ("redis:///2", Kind.REDIS, (("localhost", 6379),), 2),
        ("redis://redis:7000/3", Kind.REDIS, (("redis", 7000),), 3),
        ("redis://redis:65535/3", Kind.REDIS, (("redis", 65535),), 3),
        ("redis://redis?db=4", Kind.REDIS, (REDIS,), 4),
        ("redis://redis/4?virtual_host=4", Kind.REDIS, (REDIS,), 4),
        ("REDIS://redis/5", Kind.REDIS, (REDIS,), 5),
        ("valkey://redis/1", Kind.REDIS, (REDIS,), 1),
        ("redis://[::1]:7000/1", Kind.REDIS, (("::1", 7000),), 1),
        ("rediss://redis", Kind.REDIS, (REDIS,), 0),
        ("valkeys://redis", Kind.REDIS, (REDIS,), 0),
        ("sentinel://a,b:1/3?master_name=m", Kind.SENTINEL, (("a", 26379), ("b", 1)), 3),
        ("sentinels://a?master_name=m", Kind.SENTINEL, (("a", 26379),), 0),
        ("sentinel://a:1;sentinel://b:2/3?master_name=m", Kind.SENTINEL, (("a", 1), ("b", 2)), 3),
        ("amqp://rabbit/host", Kind.RABBITMQ, (("rabbit", 5672),), 0),
        ("pyamqp://rabbit", Kind.RABBITMQ, (("rabbit", 5672),), 0),
        ("amqp://", Kind.RABBITMQ, (("localhost", 5672),), 0),
        ("amqps://rabbit", Kind.RABBITMQ, (("rabbit", 5671),), 0),
    ],
)
def test_an_address_is_a_kind_its_hosts_and_a_database(
    text: str, kind: Kind, hosts: tuple[tuple[str, int], ...], database: int
) -> None:
    address = parse_address(text)
    assert (address.kind, address.hosts, address.database) == (kind, hosts, database)


@pytest.mark.parametrize(
    ("text", "path", "database"),
    [
        ("redis+socket:///run/redis.sock?db=2", "/run/redis.sock", 2),
        ("unix:///run/a%20b.sock?virtual_host=3", "/run/a b.sock", 3),
        ("redis+socket:///s", "/s", 0),
    ],
)
def test_a_socket_is_a_path_and_a_database(text: str, path: str, database: int) -> None:
    address = parse_address(text)
    assert (address.kind, address.path, address.database) == (Kind.SOCKET, path, database)


def test_a_user_and_a_password_are_read_with_their_escapes() -> None:
    address = parse_address("redis://us%3Aer:p%40s%2Fs@redis/0")
    assert (address.user, address.password) == ("us:er", "p@s/s")


@pytest.mark.parametrize(
    ("text", "is_secure"),
    [
        *((f"{scheme}://redis", False) for scheme in ("redis", "valkey", "amqp", "pyamqp")),
        *((f"{scheme}://redis", True) for scheme in ("rediss", "valkeys", "amqps")),
        ("sentinel://a?master_name=m", False),
        ("sentinels://a?master_name=m", True),
    ],
)
def test_the_scheme_says_whether_tls_is_spoken(text: str, is_secure: bool) -> None:
    assert (parse_address(text).tls is not None) is is_secure


def test_over_tls_a_certificate_and_its_name_are_checked_unless_told_otherwise() -> None:
    tls = parse_address("rediss://redis").tls
    assert tls is not None
    assert tls.options() == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("ssl_cert_reqs=none", {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}),
        ("ssl_cert_reqs=CERT_OPTIONAL", {"ssl_cert_reqs": ssl.CERT_OPTIONAL}),
        ("ssl_check_hostname=false", {"ssl_check_hostname": False}),
        ("ssl_check_hostname=0", {"ssl_check_hostname": False}),
        ("ssl_check_hostname=No", {"ssl_check_hostname": False}),
        ("ssl_check_hostname=true", {"ssl_check_hostname": True}),
        (
            "ssl_ca_certs=/a&ssl_certfile=/b&ssl_keyfile=/c",
            {"ssl_ca_certs": "/a", "ssl_certfile": "/b", "ssl_keyfile": "/c"},
        ),
    ],
)
def test_options_of_tls_stand_in_the_address(query: str, options: dict[str, object]) -> None:
    tls = parse_address(f"rediss://redis/0?{query}").tls
    assert tls is not None
    checked = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    assert tls.options() == checked | options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("redis", "with its scheme"),
        ("re dis://x", "with its scheme"),
        ("redis://a b/0", "spaces or control characters"),
        ("redis://a\x00/0", "spaces or control characters"),
        ("redis://a,b/0", "only sentinel://"),
        ("redis://a:99999/0", "above 65535"),
        ("redis://a:65536/0", "above 65535"),
        ("redis://a_b!/0", "host or port makes no sense"),
        ("redis://a/x", "the database is a number"),
        ("redis://a/123456", "the database is a number"),
        ("redis://a/1?db=2", "two databases"),
        ("redis://a/0?ssl_cert_reqs=none", "rediss://"),
        ("rediss://a/0?ssl_cert_reqs=maybe", "one of required, optional and none"),
        ("redis://a/0?colour=red", "unknown option; known are db, virtual_host"),
        ("redis://a/0?master_name=m", "unknown option"),
        ("sentinel://a", "which primary"),
        ("sentinel://a?master_name=", "which primary"),
        ("redis+socket://host/run/s", "the path of the socket"),
        ("redis+socket:///", "the path of the socket"),
        ("rediscluster://a", "a cluster of Redis servers cannot be used"),
        ("sqs://a", "sqs:// cannot be used; allowed are"),
        ("redis://a/0?x=@", "write : / ?"),
        ("redis://a/@", "write : / ?"),
        ("redis://a#b", "write : / ?"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://redis/0", "redis://redis:6379/0"),
        ("redis://:secret@redis/0", "redis://:**@redis:6379/0"),
        ("redis://user@redis/0", "redis://user@redis:6379/0"),
        ("rediss://user:secret@redis/2", "rediss://user:**@redis:6379/2"),
        ("redis://[::1]/0", "redis://[::1]:6379/0"),
        ("redis+socket://:secret@/run/s?db=2", "redis+socket://:**@/run/s?db=2"),
        ("sentinel://a,b/1?master_name=m&sentinel_password=secret", "sentinel://a:26379,b:26379/1?master_name=m"),
        ("amqp://user:secret@rabbit//", "amqp://user:**@rabbit:5672"),
        ("redis://:secret@a,b", "redis://…"),
        ("secret", "…"),
        ("se cret://x", "…"),
    ],
)  # fmt: skip
def test_an_address_is_shown_with_no_password_in_it(text: str, shown: str) -> None:
    assert shown_address(text) == shown


def test_no_password_is_in_what_python_shows() -> None:
    address = parse_address("sentinel://:secret@a?master_name=m&sentinel_password=secret")
    assert "secret" not in f"{address!r} {parse_address('amqp://:secret@rabbit')!r}"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://us%3Aer:p%40ss@redis/1", "redis://us%3Aer:p%40ss@redis:6379/1"),
        ("redis://:p%2Fss@redis/1", "redis://:p%2Fss@redis:6379/1"),
        ("valkeys://redis/1", "rediss://redis:6379/1"),
        ("redis://[::1]/1", "redis://[::1]:6379/1"),
        ("unix:///run/a%20b?db=2", "redis+socket:///run/a%20b?virtual_host=2"),
        ("redis+socket://user:p%2Fss@/run/s", "redis+socket://user:p%2Fss@/run/s?virtual_host=0"),
        ("sentinel://u:p@a,b/2?master_name=m", "sentinel://u:p@a:26379/2;sentinel://u:p@b:26379/2"),
        ("sentinels://a?master_name=m", "sentinel://a:26379/0"),
        ("amqp://u:p@rabbit/v", "amqp://u:p@rabbit/v"),
    ],
)
def test_celery_gets_an_address_in_its_own_spelling(text: str, url: str) -> None:
    assert parse_address(text).celery_url == url


def test_only_sentinels_need_options_beside_their_address() -> None:
    assert parse_address("redis://redis").sentinel_options(socket_timeout=1) == {}


def test_sentinels_have_a_login_tls_and_timeouts_of_their_own() -> None:
    plain = parse_address("sentinel://a?master_name=m")
    assert plain.sentinel_options(socket_timeout=1.0) == {
        "master_name": "m",
        "sentinel_kwargs": {"socket_timeout": 1.0},
    }
    full = parse_address(
        "sentinels://a?master_name=m&sentinel_username=u&sentinel_password=p&ssl_cert_reqs=none"
    )
    assert full.sentinel_options()["sentinel_kwargs"] == {
        "username": "u",
        "password": "p",
        "ssl": True,
        "ssl_cert_reqs": ssl.CERT_NONE,
        "ssl_check_hostname": False,
    }


def test_all_but_rabbitmq_is_redis() -> None:
    assert [Address(kind).is_redis for kind in Kind] == [True, True, True, False]


def test_a_certificates_name_is_compared_unless_told_otherwise() -> None:
    assert Tls() == Tls("required", None, None, None, check_hostname=True)
