"""The default of every setting. Apps and operators rely on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import Settings, ladder, load_settings
from config.variables import variable_of

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

DEFAULTS: dict[str, object] = {
    "ENABLE_DOCKER": True,
    "DOCKER_TIMEOUT": 30_000,
    "DOCKER_MEMORY_LIMIT": 512 * MIB,
    "DOCKER_CPU_LIMIT": 2.0,
    "CELLBLOCK_RESULT_BACKEND": None,
    "CELLBLOCK_PUBLISH_TIMEOUT": 5.0,
    "CELLBLOCK_QUEUES": "cellblock",
    "CELLBLOCK_ROUTES": "",
    "CELLBLOCK_CONCURRENCY": None,
    "CELLBLOCK_AUTOSCALE": None,
    "CELLBLOCK_MAX_ATTEMPTS": 4,
    "CELLBLOCK_DRAIN": 60.0,
    "CELLBLOCK_RESULT_EXPIRES": 86_400.0,
    "CELLBLOCK_TENANT_WEIGHTS": "",
    "CELLBLOCK_TENANT_MAX_RUNNING": None,
    "CELLBLOCK_TENANT_MAX_QUEUED": None,
    "CELLBLOCK_MAX_QUEUED": None,
    "CELLBLOCK_BLOBS": "redis",
    "CELLBLOCK_BLOBS_LIMIT": None,
    "CELLBLOCK_TENANT_BLOBS_LIMIT": None,
    "CELLBLOCK_API_TOKENS_FILE": None,
    "CELLBLOCK_MCP_ANSWER": 45.0,
    "CELLBLOCK_MCP_HOSTS": "",
    "CELLBLOCK_MCP_SESSIONS": 64,
    "CELLBLOCK_MCP_IDLE": 1800.0,
    "CELLBLOCK_LIVE": "asked",
    "CELLBLOCK_LIVE_LIMIT": 1 * MIB,
    "CELLBLOCK_LIVE_EXPIRES": 300.0,
    "CELLBLOCK_GRACE": 1.0,
    "CELLBLOCK_PIDS": 128,
    "CELLBLOCK_DISK": 64 * MIB,
    "CELLBLOCK_OUTPUT_LIMIT": 1 * MIB,
    "CELLBLOCK_CPU_TIME": None,
    "CELLBLOCK_STACK": 8 * MIB,
    "CELLBLOCK_MAX_TIMEOUT": 600.0,
    "CELLBLOCK_MAX_GRACE": 30.0,
    "CELLBLOCK_MAX_MEMORY": 2 * GIB,
    "CELLBLOCK_MAX_CPUS": 4.0,
    "CELLBLOCK_MAX_PIDS": 1024,
    "CELLBLOCK_MAX_DISK": 512 * MIB,
    "CELLBLOCK_MAX_OUTPUT_LIMIT": 16 * MIB,
    "CELLBLOCK_MAX_CPU_TIME": 2400.0,
    "CELLBLOCK_MAX_STACK": 512 * MIB,
    "CELLBLOCK_MAX_INPUT": 32 * MIB,
    "CELLBLOCK_MAX_FILES": 8192,
    "CELLBLOCK_MAX_RUNS": 1024,
    "CELLBLOCK_MAX_ARTIFACTS": 32 * MIB,
    "CELLBLOCK_ENGINE_MARGIN": 15.0,
    "CELLBLOCK_SILENCE": 15.0,
    "CELLBLOCK_OWNER": "cellblock",
    "CELLBLOCK_DOCKER_HOST": None,
    "CELLBLOCK_ENGINE": "docker",
    "CELLBLOCK_OCI_RUNTIME": None,
    "CELLBLOCK_STORE": Path("/var/lib/cellblock"),
    "CELLBLOCK_STATE": Path("/run/cellblock"),
    "CELLBLOCK_UID_RANGE": "1073741824-1140850687",
    "CELLBLOCK_DISK_READS": "",
    "CELLBLOCK_RUNTIMES": None,
    "CELLBLOCK_RECIPES": None,
    "CELLBLOCK_PULL": "missing",
    "CELLBLOCK_WARM": "0",
    "CELLBLOCK_WARM_AGE": 600.0,
    "CELLBLOCK_NETWORK": False,
    "CELLBLOCK_NETWORK_HOSTS": "",
    "CELLBLOCK_NETWORK_EXIT": "bridge",
    "CELLBLOCK_FLOWER_BASIC_AUTH": None,
    "CELLBLOCK_LOG_LEVEL": "INFO",
    "CELLBLOCK_LOG_FORMAT": "console",
    "CELLBLOCK_METRICS_PORT": None,
    "CELLBLOCK_METRICS_ADDRESS": "127.0.0.1",
    "CELLBLOCK_TRACES": "off",
    "CELLBLOCK_HEARTBEAT": None,
    "CELLBLOCK_HEARTBEAT_BOUND": 60.0,
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CELLBLOCK_OWNER", "CELLBLOCK_ENGINE_MARGIN", "CELLBLOCK_SILENCE"):
        monkeypatch.delenv(variable, raising=False)


def test_every_setting_has_the_default_that_is_promised() -> None:
    settings = load_settings()
    found = {
        variable_of(field, Settings.model_fields): getattr(settings, field) for field in Settings.model_fields
    }
    broker = found.pop("CELLBLOCK_BROKER_URL")
    assert (found, broker.get_secret_value()) == (DEFAULTS, "redis://localhost:6379/0")


def test_the_engine_margin_moves_the_ladder_and_the_stop_and_no_lease() -> None:
    settings = load_settings(engine_margin=6, drain=100, max_timeout=100, max_grace=10)
    assert (settings.stop_s, settings.lease_s) == (100 + 4 * 6, 10)
    assert settings.longest == ladder(100 + 10 + 2 * 6 + 100, 10, 6)


def test_the_silence_moves_the_lease_and_neither_the_ladder_nor_the_stop() -> None:
    settings, usual = load_settings(silence=6), load_settings()
    assert settings.lease_s == 4
    assert (settings.stop_s, settings.longest) == (usual.stop_s, usual.longest)


def test_a_message_has_room_for_all_input_with_each_character_escaped() -> None:
    assert load_settings(max_input=10 * MIB).max_message == 4 * 10 * MIB + 8 * MIB
