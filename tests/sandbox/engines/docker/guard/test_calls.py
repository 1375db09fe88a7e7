"""The calls of an attacker who controls a worker and knows all that the worker knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
import pytest

from config import Settings
from sandbox.engines.docker.client import connect
from sandbox.errors import EngineUnreachable
from tests.conftest import OWNER
from tests.engine_door import engine_door
from tests.sandbox.engines.docker.guard.bodies import cell_body
from tests.sandbox.engines.docker.guard.guard import NAME, Guard, running_guard

pytestmark = pytest.mark.engine

OPEN = {
    "Image": "cellblock/bash:local",
    "Entrypoint": ["/bin/sh", "-c", "id"],
    "Labels": {"cellblock.owner": OWNER},
}
LOCKED = {
    "User": "65534:65534",
    "HostConfig": {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", 'seccomp={"x":1}'],
        "MaskedPaths": ["/proc/1/mem"],
        "ReadonlyRootfs": True,
    },
}
ALL_CALLS = 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'
WEAK = {**LOCKED["HostConfig"], "SecurityOpt": ["no-new-privileges:true", ALL_CALLS]}  # type: ignore[dict-item]
#: None of these bodies describes a cell, although some contain large parts of a cell's body.
BODIES = {
    "open": json.dumps(OPEN),
    "locked": json.dumps({**OPEN, **LOCKED}),
    "a second document behind the first": json.dumps(OPEN) + json.dumps(LOCKED),
    "the names nested where nobody reads them": json.dumps(
        {**OPEN, "Healthcheck": {"Test": ["NONE"], **LOCKED}}
    ),
    "a name twice, the second null": json.dumps({**OPEN, **LOCKED})[:-1] + ', "HostConfig": null}',
    "a list of system calls that allows all": json.dumps({**OPEN, **LOCKED, "HostConfig": WEAK}),
    "nothing": "{}",
    "no object": "[]",
    "a form": "Image=cellblock%2Fbash%3Alocal",
}


@pytest.fixture
def stranger(engine: docker.APIClient) -> Iterator[str]:
    """A running container that does not belong to this deployment. It must still run after the test."""
    made = engine.create_container("cellblock/bash:local", ["sleep", "600"], name=f"{OWNER}-stranger")["Id"]
    engine.start(made)
    yield made
    assert engine.inspect_container(made)["State"]["Running"]
    engine.remove_container(made, force=True)


@pytest.fixture
def cell(engine: docker.APIClient, guarded_settings: Settings) -> Iterator[str]:
    """A cell of this deployment."""
    engine.create_container_from_config(cell_body(engine, guarded_settings), NAME)  # type: ignore[no-untyped-call]
    yield NAME
    engine.remove_container(NAME, force=True)


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_no_container_is_made_that_is_not_a_cell(guard: Guard, engine: docker.APIClient, body: str) -> None:
    assert guard.create(body) == 403
    with pytest.raises(docker.errors.NotFound):
        engine.inspect_container(NAME)


@pytest.mark.parametrize(
    "harm",
    [
        {"HostConfig": {"Privileged": True}},
        {"HostConfig": {"Binds": ["/:/host"]}},
        {"hostconfig": {"binds": ["/:/host"]}},
        {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]}},
        {"HostConfig": {"CapAdd": ["SYS_ADMIN"]}},
        {"HostConfig": {"CapDrop": []}},
        {"HostConfig": {"SecurityOpt": []}},
        {"HostConfig": {"PidMode": "host"}},
        {"HostConfig": {"NetworkMode": "host"}},
        {"HostConfig": {"IpcMode": "host"}},
        {"HostConfig": {"UsernsMode": "host"}},
        {"HostConfig": {"CgroupParent": "/"}},
        {"HostConfig": {"VolumesFrom": ["other"]}},
        {"HostConfig": {"MaskedPaths": []}},
        {"HostConfig": {"ReadonlyPaths": []}},
        {"HostConfig": {"ReadonlyRootfs": False}},
        {"HostConfig": {"Devices": [{"PathOnHost": "/dev/mem"}]}},
        {"HostConfig": {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://evil"}}}},
        {"HostConfig": {"Runtime": "kata"}},
        {"HostConfig": {"MemorySwap": -1}},
        {"NetworkingConfig": {"EndpointsConfig": {"host": {}}}},
        {"Volumes": {"/v": {}}},
        {"User": "0:0"},
        {"Labels": {}},
        {"Image": "alpine"},
        {"Entrypoint": ["/bin/sh", "-c", "id"]},
    ],
    ids=json.dumps,
)
def test_a_cell_with_one_thing_changed_is_none(
    guard: Guard, engine: docker.APIClient, guarded_settings: Settings, harm: dict[str, Any]
) -> None:
    body = cell_body(engine, guarded_settings)
    host = body["HostConfig"] | harm.get("HostConfig", {})
    assert guard.create(body | harm | {"HostConfig": host}) == 403


def test_a_cell_of_the_profile_is_made_and_removed(
    guard: Guard, engine: docker.APIClient, guarded_settings: Settings
) -> None:
    assert guard.create(cell_body(engine, guarded_settings)) == 201
    assert guard.call("GET", f"/v1.41/containers/{NAME}/json") == 200
    assert guard.call("DELETE", f"/v1.41/containers/{NAME}?force=1") == 204
    assert guard.call("GET", f"/v1.41/containers/{NAME}/json") == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "json"),
        ("GET", "logs?stdout=1"),
        ("GET", "stats"),
        ("GET", "top"),
        ("GET", "changes"),
        ("GET", "export"),
        ("GET", "archive?path=/"),
        ("PUT", "archive?path=/"),
        ("POST", "exec"),
        ("POST", "start"),
        ("POST", "stop"),
        ("POST", "kill"),
        ("POST", "wait"),
        ("POST", "update"),
        ("POST", "rename?name=x"),
        ("POST", "restart"),
        ("POST", "pause"),
        ("POST", "attach?stream=1"),
        ("DELETE", "?force=1"),
    ],
)
def test_a_strangers_container_is_not_touched(guard: Guard, stranger: str, method: str, path: str) -> None:
    for name in (stranger, stranger[:12], f"{OWNER}-stranger"):
        where = f"/v1.41/containers/{name}" + (path if path.startswith("?") else f"/{path}")
        body = json.dumps({"Memory": 1 << 30}) if path == "update" else None
        assert guard.call(method, where, body) == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "logs?stdout=1"),
        ("GET", "top"),
        ("GET", "archive?path=/"),
        ("PUT", "archive?path=/"),
        ("GET", "export"),
        ("POST", "exec"),
        ("POST", "rename?name=other"),
        ("POST", "stop"),
        ("POST", "kill?signal=STOP"),
        ("POST", "kill?signal=KILL&signal=STOP"),
        ("POST", "attach?logs=1"),
        ("POST", "attach"),
        ("GET", "attach/ws"),
        ("POST", "start?checkpoint=x"),
        ("GET", "json?size=1"),
        ("POST", "../../version"),
    ],
)
def test_ones_own_cell_is_given_no_more_than_a_worker_does(
    guard: Guard, cell: str, method: str, path: str
) -> None:
    assert guard.call(method, f"/v1.41/containers/{cell}/{path}") == 403


@pytest.mark.parametrize(
    "body",
    [
        {"Memory": 1 << 50, "MemorySwap": 1 << 50, "CpuPeriod": 100_000, "CpuQuota": 10_000},
        {"Memory": 64 << 20, "MemorySwap": -1, "CpuPeriod": 100_000, "CpuQuota": 10_000},
        {"Memory": 64 << 20, "MemorySwap": 64 << 20, "CpuPeriod": 100_000, "CpuQuota": -1},
        {"Memory": 64 << 20, "MemorySwap": 64 << 20, "CpuPeriod": 0, "CpuQuota": 10_000},
        {
            "Memory": 64 << 20,
            "MemorySwap": 64 << 20,
            "CpuPeriod": 100_000,
            "CpuQuota": 10_000,
            "PidsLimit": -1,
        },
        {"RestartPolicy": {"Name": "always"}},
        {"Memory": "64m"},
        {"Memory": "64m", "MemorySwap": "64m", "CpuPeriod": 100_000, "CpuQuota": 10_000},
        {"Memory": 64 << 20, "MemorySwap": 64 << 20, "CpuPeriod": 100_000, "CpuQuota": "all"},
        {"Memory": 64 << 20, "MemorySwap": 64 << 20, "CpuPeriod": 1e-320, "CpuQuota": 1e300},
        {},
        [],
    ],
    ids=json.dumps,
)
def test_a_cell_is_adapted_within_the_maxima_alone(guard: Guard, cell: str, body: object) -> None:
    assert guard.call("POST", f"/v1.41/containers/{cell}/update", json.dumps(body)) == 403


def test_a_start_carries_no_configuration(guard: Guard, cell: str) -> None:
    body = json.dumps({"Privileged": True})
    assert guard.call("POST", f"/v1.41/containers/{cell}/start", body) == 403
    assert guard.call("POST", f"/v1.23/containers/{cell}/start") == 403


def test_an_image_of_the_catalogue_may_be_asked_for_by_its_name_with_a_digest_too(
    guard: Guard, tmp_path: Any, engine: docker.APIClient
) -> None:
    pinned = f"python@sha256:{'a' * 64}"
    (tmp_path / "runtimes.toml").write_text(f'[python]\nimage = "{pinned}"\n')
    with running_guard(tmp_path, CELLBLOCK_RUNTIMES=str(tmp_path / "runtimes.toml")) as other:
        assert other.call("GET", f"/v1.41/images/{quote(pinned, safe='/:')}/json") == 404
        # Neither the local build nor a tag replaces a pinned image.
        assert other.call("GET", "/v1.41/images/cellblock/python:local/json") == 403
        assert other.call("POST", "/v1.41/images/create?fromImage=python&tag=3.11-slim") == 403


def test_an_image_that_is_only_built_here_may_not_be_pulled(tmp_path: Any) -> None:
    catalogue = tmp_path / "runtimes.toml"
    catalogue.write_text('[data]\nextends = "python"\npackages = ["numpy"]\n')
    with running_guard(tmp_path, CELLBLOCK_RUNTIMES=str(catalogue)) as other:
        assert other.call("POST", "/v1.41/images/create?fromImage=cellblock/data&tag=local") == 403


def test_an_image_of_the_catalogue_may_be_pulled(guard: Guard, tmp_path: Any) -> None:
    """No registry listens at this address, so the engine answers with an error."""
    (tmp_path / "runtimes.toml").write_text('[python]\nimage = "127.0.0.1:9/none:1"\n')
    with running_guard(tmp_path, CELLBLOCK_RUNTIMES=str(tmp_path / "runtimes.toml")) as other:
        assert other.call("POST", "/v1.41/images/create?fromImage=127.0.0.1:9/none&tag=1") in (404, 500)


def test_only_ones_own_containers_are_listed(guard: Guard, stranger: str, cell: str) -> None:
    for query in ("", "?all=1", "?all=true&filters=%7B%22label%22%3A%5B%22cellblock.owner%22%5D%7D"):
        listed = guard.answer("GET", f"/v1.41/containers/json{query}").json()
        assert stranger not in {one["Id"] for one in listed}
    assert [one["Names"] for one in guard.answer("GET", "/v1.41/containers/json?all=1").json()] == [
        [f"/{NAME}"]
    ]


@pytest.mark.parametrize(
    ("filters", "is_listed"),
    [
        ({"label": ["cellblock.owner"]}, True),
        ({"label": ["cellblock.task=nobodys"]}, False),
        ({"status": ["created"]}, True),
        ({"status": ["running"]}, False),
    ],
    ids=json.dumps,
)
def test_a_list_is_of_what_it_asks_for(
    guard: Guard, cell: str, filters: dict[str, list[str]], *, is_listed: bool
) -> None:
    query = f"all=1&filters={quote(json.dumps(filters))}"
    listed = guard.answer("GET", f"/v1.41/containers/json?{query}").json()
    assert [one["Names"] for one in listed] == [[f"/{NAME}"]] * is_listed


def test_who_gets_a_cells_name_later_is_not_mistaken_for_it(
    guard: Guard, engine: docker.APIClient, guarded_settings: Settings
) -> None:
    assert guard.create(cell_body(engine, guarded_settings)) == 201
    assert guard.call("GET", f"/v1.41/containers/{NAME}/json") == 200
    engine.remove_container(NAME, force=True)
    engine.create_container("cellblock/bash:local", ["true"], name=NAME)
    try:
        assert guard.call("POST", f"/v1.41/containers/{NAME}/start") == 404
        assert guard.call("DELETE", f"/v1.41/containers/{NAME}") in (403, 404)
        assert guard.call("DELETE", f"/v1.41/containers/{NAME}") == 403
        assert engine.inspect_container(NAME)["State"]["Status"] == "created"
    finally:
        engine.remove_container(NAME, force=True)


def test_an_engine_that_is_away_is_told_from_one_that_refuses(
    engine: docker.APIClient, tmp_path: Any, guarded_settings: Settings
) -> None:
    with (
        engine_door(tmp_path / "engine.sock") as door,
        running_guard(tmp_path, CELLBLOCK_DOCKER_HOST=door.url) as other,
    ):
        settings = guarded_settings.model_copy(update={"docker_host": other.url})
        with closing(connect(settings)) as client:
            door.shut()
            with pytest.raises(EngineUnreachable):
                connect(settings)
            door.open()
            assert client.version()


def test_ten_thousand_hostile_bytes_at_a_time_end_no_guard(guard: Guard) -> None:
    for number in range(8):
        guard.say(bytes((number * index) % 256 for index in range(10_000)))
    assert guard.call("GET", "/_ping") == 200
