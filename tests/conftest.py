"""Fixtures that the whole suite shares, and the checks that no test leaves anything behind."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis
from celery import Celery

from config import load_settings
from sandbox import ImageMissing, Sandbox, SandboxUnavailable
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.image_choice import ImageChoice
from sandbox.remover import remove_container
from tasks.settings import this_catalogue, this_settings
from tests.programs import is_ours, running_redis, running_worker, runs
from tests.stall import Stall
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import docker

    from tests.programs import Worker

#: Written on every container of this run, so that nobody else's is ever looked at.
OWNER = os.environ.get("TEST_OWNER") or f"test-{secrets.token_hex(6)}"

#: The worker's own, so that its log can be searched for it.
BROKER_PASSWORD = secrets.token_hex(8)

_GONE_S = 15.0
_TAIL_CHARS = 6000
# The default of both settings.
_PATIENT_S = 15.0
# Those before are modules' own.
_databases = itertools.count(64)
# What starts a broker of its own, by its name in a module of tests.
_BROKERS = {"ChaosWorker", "DurableRedis", "PrivateRabbit", "running_redis", "running_worker", "sentinels"}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """A test is marked by what it uses, or what its module starts; what takes long comes first."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "engine" in names:
            item.add_marker("engine")
        if "redis_url" in names or not _BROKERS.isdisjoint(vars(getattr(item, "module", None) or item)):
            item.add_marker("broker")
    yield
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """Side by side, the last ones are small then, and no process is left alone with a long file."""
    if "chaos" in item.path.parts or "deploy" in item.path.parts:
        return 0
    return next((at for at, name in enumerate(("broker", "engine"), 1) if item.get_closest_marker(name)), 3)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the programs that it started have logged."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder:
        for log in filter(Path.is_file, folder.rglob("*.log")):
            report.sections.append((f"the end of {log.name}", log.read_text(errors="replace")[-_TAIL_CHARS:]))
    return report


def pytest_configure(config: pytest.Config) -> None:
    """What a shell starts in the background ignores SIGINT, and what tests start and interrupt would too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(Stall())


@pytest.fixture(scope="session", autouse=True)
def _settings_of_nobody() -> Iterator[None]:
    """No setting of whoever runs the tests reaches them, nor the programs that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in filter(is_ours, list(os.environ)):
            patch.delenv(variable)
        patch.setenv("CELLBLOCK_OWNER", OWNER)
        if PATIENCE > 1:
            for variable in ("CELLBLOCK_ENGINE_MARGIN", "CELLBLOCK_SILENCE"):
                patch.setenv(variable, f"{_PATIENT_S * PATIENCE:g}")
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
    uses = request.node.get_closest_marker
    client = request.getfixturevalue("engine") if uses("engine") else None
    url = request.getfixturevalue("redis_url") if uses("broker") else None
    before = set(mine.children())
    yield
    wait_until(lambda: set(mine.children()) <= before, _GONE_S, "the test's processes are gone")
    if client is not None:
        try:
            wait_until(lambda: not cells(client), _GONE_S, "the test's containers are gone")
        finally:
            remove_cells(client)
        assert not _volumes(client)
    if url is not None:
        try:
            wait_until(lambda: not _lasting_keys(url), _GONE_S, "the test's keys are gone or will expire")
        finally:
            _remove_keys(url)


def cells(client: docker.APIClient) -> list[str]:
    """The containers of this run, whatever their state, by their ids."""
    return [cell["Id"] for cell in client.containers(all=True, filters={"label": f"cellblock.owner={OWNER}"})]


def running_cells(client: docker.APIClient) -> list[str]:
    """Those that run: of a job before, one may be on its way out still."""
    filters = {"label": f"cellblock.owner={OWNER}", "status": "running"}
    return [cell["Id"] for cell in client.containers(filters=filters)]


def about_last_seen(client: docker.APIClient, command: str) -> dict[str, Any]:
    """What the engine says of the cell once `command` runs; it is killed then, so that none ends too soon."""
    wait_until(lambda: runs(command), 10, "the job runs")
    (cell,) = running_cells(client)
    about: dict[str, Any] = client.inspect_container(cell)
    client.kill(cell)
    return about


def remove_cells(client: docker.APIClient) -> None:
    """Take away what a dead worker left, as a reaper would once its deadline has passed."""
    for cell in cells(client):
        remove_container(client, cell, _GONE_S)


def _volumes(client: docker.APIClient) -> list[object]:
    return client.volumes(filters={"label": f"cellblock.owner={OWNER}"})["Volumes"] or []


def _remove_keys(url: str) -> None:
    """The next test is not to answer for them."""
    for number, _, key in (one.partition(":") for one in _lasting_keys(url)):
        with redis.Redis.from_url(f"{url}/{number}") as database:
            database.delete(key)


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
    """Makes what any other app has: Celery with an address, our queue's name, and nothing of ours."""
    apps: list[Celery] = []

    def make(url: str) -> Celery:
        app = Celery("elsewhere", broker=url, backend=url, set_as_current=False)
        app.conf.task_default_queue = "cellblock"
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.close()


@pytest.fixture(scope="session")
def byname(worker: Worker, client_of: Callable[[str], Celery]) -> Celery:
    """An app that knows the worker's task by its name alone."""
    return client_of(worker.broker_url)
