"""The settings of an operator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from config import InvalidSetting, load_settings

HIDDEN = "hunter2"
BROKER = f"redis://:{HIDDEN}@redis:6379/0"


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    limits = (settings.timeout_s, settings.grace, settings.docker_cpu_limit, settings.pids)
    assert limits == (30.0, 1.0, 2.0, 128)
    assert (settings.docker_memory_limit, settings.disk, settings.output_limit) == (
        512 << 20,
        64 << 20,
        1 << 20,
    )


def test_the_default_broker_is_redis_on_this_host() -> None:
    settings = load_settings()
    assert settings.broker_url.get_secret_value() == "redis://localhost:6379/0"
    assert settings.result_backend is None


def test_the_four_original_settings_keep_names_and_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    monkeypatch.setenv("DOCKER_TIMEOUT", "2500")
    monkeypatch.setenv("DOCKER_MEMORY_LIMIT", "256m")
    monkeypatch.setenv("DOCKER_CPU_LIMIT", "1.5")
    settings = load_settings()
    assert (settings.enable_docker, settings.timeout_s) == (False, 2.5)
    assert (settings.docker_memory_limit, settings.docker_cpu_limit) == (256 << 20, 1.5)


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("CELLBLOCK_CONCURRENCY", "7", "concurrency", 7),
        ("CELLBLOCK_AUTOSCALE", "8,2", "autoscale", "8,2"),
        ("CELLBLOCK_MAX_TIMEOUT", "90", "max_timeout", 90.0),
        ("CELLBLOCK_MAX_MEMORY", "1g", "max_memory", 1 << 30),
        ("CELLBLOCK_WARM", "3", "warm", "3"),
        ("CELLBLOCK_OCI_RUNTIME", "runsc", "oci_runtime", "runsc"),
        ("CELLBLOCK_OWNER", "blue", "owner", "blue"),
    ],
)
def test_everything_else_is_a_cellblock_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), field) == expected


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TIMEOUT", "")
    assert load_settings().timeout_s == 30.0


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ENABLE_DOCKER", "perhaps", "boolean"),
        ("DOCKER_TIMEOUT", "soon", "integer"),
        ("CELLBLOCK_AUTOSCALE", "3", 'such as "8,2"'),
        ("CELLBLOCK_OWNER", "a b", "letters, digits and `_`"),
        ("CELLBLOCK_QUEUES", "a b", "with commas between"),
        ("DOCKER_TIMEOUT", "0", "greater than 0"),
        ("DOCKER_MEMORY_LIMIT", "lots", "such as '512m'"),
        ("DOCKER_CPU_LIMIT", "nan", "finite"),
        ("CELLBLOCK_PULL", "always", "'missing' or 'never'"),
        ("CELLBLOCK_CONCURRENCY", "0", "greater than or equal to 1"),
        ("CELLBLOCK_AUTOSCALE", "2,8", "the largest pool first"),
        ("CELLBLOCK_DOCKER_HOST", "docker.sock", "unix:///"),
        ("CELLBLOCK_RUNTIMES", "/nowhere.toml", "no such file"),
        ("CELLBLOCK_ENGINE_MARGIN", "inf", "finite"),
        ("CELLBLOCK_SILENCE", "inf", "finite"),
        ("CELLBLOCK_ROUTES", "java", "such as `java=heavy"),
        ("CELLBLOCK_MAX_DISK", "-1", "such as '512m'"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as caught:
        load_settings()
    assert f"{variable}={value!r}: " in str(caught.value)
    assert allowed in str(caught.value)
    assert re.search(r"pattern|Input should|unable to parse|\^", str(caught.value)) is None


def test_a_route_names_the_queue_of_a_runtime() -> None:
    settings = load_settings(routes="java=heavy,cpp=very.heavy")
    assert [settings.queue_of(name) for name in ("java", "cpp", "bash")] == ["heavy", "very.heavy", None]


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TIMEOUT", "soon")
    monkeypatch.setenv("CELLBLOCK_WARM", "many")
    with pytest.raises(InvalidSetting, match=r"DOCKER_TIMEOUT='soon'.*CELLBLOCK_WARM='many'"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value", "maximum"),
    [
        ("DOCKER_TIMEOUT", "600001", "CELLBLOCK_MAX_TIMEOUT"),
        ("DOCKER_MEMORY_LIMIT", "3g", "CELLBLOCK_MAX_MEMORY"),
        ("DOCKER_CPU_LIMIT", "4.5", "CELLBLOCK_MAX_CPUS"),
        ("CELLBLOCK_GRACE", "31", "CELLBLOCK_MAX_GRACE"),
        ("CELLBLOCK_PIDS", "1025", "CELLBLOCK_MAX_PIDS"),
        ("CELLBLOCK_DISK", "1g", "CELLBLOCK_MAX_DISK"),
        ("CELLBLOCK_OUTPUT_LIMIT", "17m", "CELLBLOCK_MAX_OUTPUT_LIMIT"),
    ],
)
def test_a_default_above_its_maximum_is_refused_with_both_names(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, maximum: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match=rf"{variable} .* above {maximum}="):
        load_settings()


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text(f"{BROKER}\n")
    monkeypatch.setenv("CELLBLOCK_BROKER_URL_FILE", str(tmp_path / "broker"))
    assert load_settings().broker_url.get_secret_value() == BROKER


def test_the_original_settings_may_come_from_files_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "timeout").write_text("1000")
    monkeypatch.setenv("DOCKER_TIMEOUT_FILE", str(tmp_path / "timeout"))
    assert load_settings().timeout_s == 1.0


def test_a_variable_comes_before_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("file")
    monkeypatch.setenv("CELLBLOCK_OWNER_FILE", str(tmp_path / "owner"))
    monkeypatch.setenv("CELLBLOCK_OWNER", "variable")
    assert load_settings().owner == "variable"


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_BROKER_URL_FILE=.*missing: the file cannot be read"):
        load_settings()


def test_a_secret_file_that_is_no_text_is_a_bad_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broker").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("CELLBLOCK_BROKER_URL_FILE", str(tmp_path / "broker"))
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_BROKER_URL_FILE=.*broker: the file cannot be read"):
        load_settings()


def test_secrets_are_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", BROKER)
    assert HIDDEN not in f"{load_settings()!r} {load_settings()}"


@pytest.mark.parametrize("name", ["broker_url", "result_backend", "flower_basic_auth"])
def test_a_bad_secret_is_named_but_not_shown(name: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"CELLBLOCK_{name.upper()}=\(secret\)") as caught:
        load_settings(**{name: [HIDDEN]})
    assert HIDDEN not in str(caught.value)


def test_a_secret_stays_hidden_when_another_setting_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", BROKER)
    monkeypatch.setenv("DOCKER_TIMEOUT", "900000")
    with pytest.raises(InvalidSetting) as caught:
        load_settings()
    assert HIDDEN not in str(caught.value)


def test_an_unknown_variable_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_TIMOUT", "secret")
    with pytest.raises(
        InvalidSetting, match=r"CELLBLOCK_MAX_TIMOUT: .* CELLBLOCK_MAX_TIMEOUT is the nearest"
    ) as one:
        load_settings()
    assert "secret" not in str(one.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:6379", "with its scheme"),
        ("redis://:123/456@host:6379/0", "%2F"),
        ("redis://:sec#ret@host/0", "%23"),
        ("redis://user:hunter2", "makes no sense"),
        ("db+sqlite:///hunter2", "cannot be used"),
        ("sqs://key:hunter2@", "cannot be used"),
        ("redis+cluster://:hunter2@host", "cluster"),
        ("sentinel://:hunter2@host", "master_name"),
        ("amqp://guest:hunter2@host//", "results need a Redis"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_nothing_of_it(url: str, words: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_settings(broker_url=url)
    assert words in str(caught.value)
    assert not [part for part in ("123/", "456", "sec#", "ret@", HIDDEN) if part in str(caught.value)]


@pytest.mark.parametrize(
    ("given", "name", "isolates"),
    [
        ({}, "docker", True),
        ({"engine": "oci"}, "oci", True),
        ({"engine": "host"}, "host", False),
        ({"engine": "oci", "enable_docker": False}, "host", False),
    ],
)
def test_the_legacy_mode_wins_over_any_engine(given: dict[str, Any], name: str, *, isolates: bool) -> None:
    settings = load_settings(**given)
    assert (settings.engine_name, settings.isolates) == (name, isolates)


def test_the_names_of_the_mcp_server_are_those_between_the_commas() -> None:
    assert load_settings().mcp_host_names == ()
    assert load_settings(mcp_hosts="a.example,b:80,").mcp_host_names == ("a.example", "b:80")
