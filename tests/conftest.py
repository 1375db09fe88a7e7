"""Fixtures that the whole suite shares, and the checks that no test leaves anything behind."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis
from celery import Celery

from config import load_settings
from sandbox import ImageMissing, Sandbox, SandboxUnavailable
from sandbox.docker_client import connect
from sandbox.image_choice import ImageChoice
from sandbox.remover import remove_container
from tasks.settings import this_catalogue, this_settings
from tests.programs import is_ours, running_redis, running_worker
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.programs import Worker

#: Written on every container of this run, so that nobody else's is ever looked at.
OWNER = f"test-{secrets.token_hex(6)}"

#: The worker's own, so that its log can be searched for it.
BROKER_PASSWORD = secrets.token_hex(8)

_GONE_S = 15.0
_MARGIN_S = 15.0
_databases = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is marked by what it uses."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "engine" in names:
            item.add_marker("engine")
        if "redis_url" in names:
            item.add_marker("broker")


@pytest.fixture(scope="session", autouse=True)
def _settings_of_nobody() -> Iterator[None]:
    """No setting of whoever runs the tests reaches them, nor the programs that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in filter(is_ours, list(os.environ)):
            patch.delenv(variable)
        patch.setenv("CELLBLOCK_OWNER", OWNER)
        if PATIENCE > 1:
            patch.setenv("CELLBLOCK_MARGIN", f"{_MARGIN_S * PATIENCE:g}")
        yield


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    this_settings.cache_clear()
    this_catalogue.cache_clear()
    yield
    monkeypatch.undo()
    this_settings.cache_clear()
    this_catalogue.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removal goes on behind a result, so that it gets a while; then nothing may be left."""
    mine = psutil.Process()
    before = set(mine.children())
    uses = request.node.get_closest_marker
    client = request.getfixturevalue("engine") if uses("engine") else None
    url = request.getfixturevalue("redis_url") if uses("broker") else None
    yield
    wait_until(lambda: set(mine.children()) <= before, _GONE_S, "the test's processes are gone")
    if client is not None:
        try:
            wait_until(lambda: not cells(client), _GONE_S, "the test's containers are gone")
            wait_until(lambda: not networks(client), _GONE_S, "the test's networks are gone")
        finally:
            remove_cells(client)
        assert not _volumes(client)
    if url is not None:
        wait_until(lambda: not _lasting_keys(url), _GONE_S, "the test's keys are gone or will expire")


def cells(client: docker.APIClient) -> list[str]:
    """The containers of this run, whatever their state, by their ids."""
    return [cell["Id"] for cell in client.containers(all=True, filters={"label": f"cellblock.owner={OWNER}"})]


def networks(client: docker.APIClient) -> list[str]:
    """The networks of this run's jobs."""
    found = client.networks(filters={"label": f"cellblock.owner={OWNER}"})
    return [network["Name"] for network in found]


def running_cells(client: docker.APIClient) -> list[str]:
    """Those that run: of a job before, one may be on its way out still."""
    filters = {"label": f"cellblock.owner={OWNER}", "status": "running"}
    return [cell["Id"] for cell in client.containers(filters=filters)]


def about_last_seen(client: docker.APIClient) -> dict[str, Any]:
    """What the engine says of the one cell that runs, which is killed then, so that no job ends too soon."""
    (cell,) = wait_until(lambda: running_cells(client), 10, "a cell runs")
    about: dict[str, Any] = client.inspect_container(cell)
    client.kill(cell)
    return about


def remove_cells(client: docker.APIClient) -> None:
    """Take away what a dead worker left, as a reaper would once its deadline has passed."""
    for cell in cells(client):
        remove_container(client, cell, _GONE_S)


def _volumes(client: docker.APIClient) -> list[object]:
    return client.volumes(filters={"label": f"cellblock.owner={OWNER}"})["Volumes"] or []


def _lasting_keys(url: str) -> list[str]:
    """Keys with no expiry in any database, but for the bindings by which kombu finds its queues."""
    keys = []
    with redis.Redis.from_url(url, decode_responses=True) as server:
        used = [int(name.removeprefix("db")) for name in server.info("keyspace")]
    for number in used:
        with redis.Redis.from_url(f"{url}/{number}", decode_responses=True) as database:
            keys += [f"{number}:{key}" for key in database.scan_iter() if database.ttl(key) == -1]
    return [key for key in keys if ":_kombu.binding" not in key]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """The container engine; a machine without one skips the test, but for CI."""
    try:
        client = connect(load_settings())
    except SandboxUnavailable as error:
        unavailable(str(error))
    yield client
    client.close()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of this run's own, by its URL without a database."""
    if shutil.which("redis-server") is None:
        unavailable("There is no redis-server. Try: apt-get install redis-server")
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


def unavailable(why: str) -> None:
    """What the test needs is missing here; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def broker_url(redis_url: str) -> str:
    """A database of the private Redis that no other test uses."""
    return f"{redis_url}/{next(_databases)}"


@pytest.fixture(scope="session")
def sandbox(engine: docker.APIClient) -> Iterator[Sandbox]:
    """Cells on the real engine."""
    choice = ImageChoice(engine)
    with Sandbox(load_settings(pull="never")) as real:
        for name in ("bash", "python"):
            try:
                choice.choose(real.catalogue[name])
            except ImageMissing as error:
                unavailable(str(error))
        yield real


@pytest.fixture(scope="session")
def host() -> Iterator[Sandbox]:
    """The legacy mode: commands on this very host."""
    with Sandbox(load_settings(enable_docker=False)) as real:
        yield real


@pytest.fixture(scope="session")
def worker(
    redis_url: str, engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """A real worker with two processes, on a database of its own."""
    with redis.Redis.from_url(redis_url) as server:
        server.execute_command("ACL", "SETUSER", "tester", "on", f">{BROKER_PASSWORD}", "~*", "&*", "+@all")
    url = redis_url.replace("://", f"://tester:{BROKER_PASSWORD}@")
    folder = tmp_path_factory.mktemp("worker")
    with running_worker(folder, f"{url}/{next(_databases)}", "--concurrency=2") as real:
        yield real


@pytest.fixture(scope="session")
def client_of() -> Iterator[Callable[[str], Celery]]:
    """Makes what any other app has: Celery with an address, and nothing of ours."""
    apps: list[Celery] = []

    def make(url: str) -> Celery:
        apps.append(Celery("elsewhere", broker=url, backend=url, set_as_current=False))
        return apps[-1]

    yield make
    for app in apps:
        app.close()


@pytest.fixture(scope="session")
def byname(worker: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """An app that knows the worker's task by its name alone."""
    return client_of(worker.broker_url)
