"""The bounds of the settings: the last value that is accepted, and the first that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import InvalidSetting, load_settings


@pytest.mark.parametrize(
    ("variable", "last", "first"),
    [
        ("DOCKER_TIMEOUT", "1", "0"),
        ("DOCKER_CPU_LIMIT", "0.01", "0"),
        ("CELLBLOCK_CONCURRENCY", "1", "0"),
        ("CELLBLOCK_MAX_ATTEMPTS", "1", "0"),
        ("CELLBLOCK_PIDS", "1", "0"),
        ("CELLBLOCK_MAX_FILES", "1", "0"),
        ("CELLBLOCK_LIVE_LIMIT", "256k", "255k"),
        ("CELLBLOCK_GRACE", "0", "-0.1"),
        ("CELLBLOCK_DRAIN", "0.1", "0"),
        ("CELLBLOCK_ENGINE_MARGIN", "0.1", "0"),
        ("CELLBLOCK_SILENCE", "0.1", "0"),
        ("CELLBLOCK_PUBLISH_TIMEOUT", "0.1", "0"),
        ("CELLBLOCK_RESULT_EXPIRES", "0.1", "0"),
        ("CELLBLOCK_WARM_AGE", "1e9", "inf"),
        ("CELLBLOCK_GRACE", "30", "nan"),
        ("CELLBLOCK_METRICS_PORT", "1", "0"),
        ("CELLBLOCK_METRICS_PORT", "65535", "65536"),
        ("CELLBLOCK_AUTOSCALE", "1,1", "1,0"),
        ("CELLBLOCK_AUTOSCALE", "2,2", "1,2"),
        ("CELLBLOCK_AUTOSCALE", "8,2", "8"),
        ("CELLBLOCK_OWNER", "x" * 64, "x" * 65),
        ("CELLBLOCK_OWNER", "a.B_c-1", "a b"),
        ("CELLBLOCK_QUEUES", "a,b.c-d", "a,"),
        ("CELLBLOCK_ROUTES", "a=b,c-d=e.f", "a=b,"),
        ("CELLBLOCK_NETWORK_EXIT", "my.net_1-2", "-net"),
        ("CELLBLOCK_LIVE", "off", "yes"),
        ("CELLBLOCK_LOG_LEVEL", "DEBUG", "TRACE"),
        ("CELLBLOCK_LOG_FORMAT", "json", "xml"),
        ("CELLBLOCK_TRACES", "otlp", "http"),
    ],
)
def test_the_last_value_is_taken_and_the_one_behind_it_is_not(
    monkeypatch: pytest.MonkeyPatch, variable: str, last: str, first: str
) -> None:
    monkeypatch.setenv(variable, last)
    load_settings()
    monkeypatch.setenv(variable, first)
    with pytest.raises(InvalidSetting, match=f"{variable}="):
        load_settings()


@pytest.mark.parametrize(
    ("name", "at_maximum"),
    [
        ("docker_timeout_ms", {"docker_timeout_ms": 600_000, "max_timeout": 600}),
        ("docker_memory_limit", {"docker_memory_limit": "2g"}),
        ("docker_cpu_limit", {"docker_cpu_limit": 4}),
        ("grace", {"grace": 30}),
        ("pids", {"pids": 1024}),
        ("disk", {"disk": "512m"}),
        ("output_limit", {"output_limit": "16m"}),
    ],
)
def test_a_default_may_be_the_maximum_itself(name: str, at_maximum: dict[str, object]) -> None:
    assert getattr(load_settings(**at_maximum), name)


@pytest.mark.parametrize(
    ("variable", "words"), [("CELLBLOCK_RECIPES", "no such folder"), ("CELLBLOCK_RUNTIMES", "no such file")]
)
def test_a_path_of_the_wrong_kind_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, words: str
) -> None:
    wrong = tmp_path / "x"
    wrong.touch() if variable == "CELLBLOCK_RECIPES" else wrong.mkdir()
    monkeypatch.setenv(variable, str(wrong))
    with pytest.raises(InvalidSetting, match=f"{variable}=.*{words}"):
        load_settings()


def test_paths_that_are_there_are_taken(tmp_path: Path) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.touch()
    settings = load_settings(runtimes=catalogue, recipes=tmp_path, heartbeat=tmp_path / "beat")
    assert (settings.runtimes, settings.recipes, settings.heartbeat) == (
        catalogue,
        tmp_path,
        tmp_path / "beat",
    )


def test_a_heartbeat_needs_its_folder_alone(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_HEARTBEAT=.*no such folder"):
        load_settings(heartbeat=tmp_path / "missing" / "beat")


def test_an_engine_is_named_with_its_scheme() -> None:
    assert load_settings(docker_host="tcp://guard:2375").docker_host == "tcp://guard:2375"


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
@pytest.mark.parametrize("name", ["broker_url", "result_backend"])
def test_a_file_of_tls_that_is_not_there_stops_the_worker_at_its_start(
    tmp_path: Path, name: str, option: str
) -> None:
    there, missing = tmp_path / "there.pem", tmp_path / "missing.pem"
    there.touch()
    load_settings(**{name: f"rediss://redis/0?{option}={there}"})
    with pytest.raises(InvalidSetting, match=r"there is no file '.*missing\.pem' on this machine"):
        load_settings(**{name: f"rediss://redis/0?{option}={missing}"})


def test_results_have_no_place_in_rabbitmq() -> None:
    words = r"^CELLBLOCK_RESULT_BACKEND is not set: results need a Redis"
    with pytest.raises(InvalidSetting, match=words):
        load_settings(broker_url="amqp://rabbit//")
    with pytest.raises(InvalidSetting, match=r"^CELLBLOCK_RESULT_BACKEND is \(secret\): results need"):
        load_settings(broker_url="redis://redis/0", result_backend="amqp://rabbit//")
    assert load_settings(broker_url="amqp://rabbit//", result_backend="redis://redis/0").results.is_redis


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CELLBLOCK_XYZZY_QUUX_JKV", "; docs/reference/settings.md has them all"),
        ("CELLBLOCK_PID", "; CELLBLOCK_PIDS is the nearest"),
    ],
)
def test_an_unknown_variable_tells_the_nearest_one_or_where_they_stand(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(InvalidSetting) as caught:
        load_settings()
    assert str(caught.value) == f"{name}: there is no such setting{words}"


@pytest.mark.parametrize("name", ["CELLBLOCK_CELL", "CELLBLOCK_PIDS_FILE", "OTHER_SETTING"])
def test_the_mark_of_a_job_on_the_host_and_other_peoples_variables_are_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "x").write_text("64\r\n")
    monkeypatch.setenv(name, str(tmp_path / "x"))
    assert load_settings().pids == (64 if name == "CELLBLOCK_PIDS_FILE" else 128)


def test_what_the_code_passes_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_PIDS", "64")
    assert (load_settings(pids=32).pids, load_settings().pids) == (32, 64)


def test_the_queues_of_routes_are_told_apart() -> None:
    settings = load_settings(routes="java=heavy,cpp=heavy,node=web")
    assert settings.queues_of_routes == {"heavy", "web"}
