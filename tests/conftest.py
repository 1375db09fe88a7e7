"""Fixtures for the whole suite, and checks that no test leaves anything behind."""

from __future__ import annotations

import inspect
import itertools
import os
import secrets
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import redis
from celery import Celery

from config import load_settings
from sandbox import EngineUnreachable, ImageMissing, Sandbox, SandboxUnavailable
from sandbox.engines.docker.client import connect
from sandbox.engines.docker.image_choice import ImageChoice
from sandbox.engines.docker.removal import remove_container
from sandbox.engines.oci.delegation import delegated_group
from sandbox.engines.oci.state import CellFolder
from sandbox.engines.oci.subids import require_ids
from sandbox.labels import WORKER
from tasks.settings import this_catalogue, this_settings
from tests.engines import ENGINES, IN_GVISOR, environment, oci_state, remove_groups
from tests.lasting_keys import LastingKeys
from tests.oci_store import name_store, remove_store, shared_store
from tests.preloaded import server_number
from tests.programs import is_ours, running_redis, running_worker, runs
from tests.stall import Stall
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import docker

    from tests.programs import Worker

# A machine with other work may take any time for an example.
hypothesis.settings.register_profile("cellblock", deadline=None)
hypothesis.settings.load_profile("cellblock")

#: In the labels of every container of this run, so that the tests touch no other container.
OWNER = os.environ.get("TEST_OWNER") or f"test-{secrets.token_hex(6)}"

#: The folder of this run's cells with no daemon.
OCI_STATE = oci_state(OWNER)

#: The password of the worker's broker. A test searches the worker's log for it.
BROKER_PASSWORD = secrets.token_hex(8)

#: In so many seconds all that a test has made must be gone.
GONE_S = 15.0
_TAIL_CHARS = 6000
# The default of both settings.
_PATIENT_S = 15.0
# Modules of tests use the databases below 64 for themselves.
_databases = itertools.count(64)
# A module of tests that has one of these names starts its own broker.
_BROKERS = {"ChaosWorker", "DurableRedis", "PrivateRabbit", "running_redis", "running_worker", "sentinels"}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark each test by what it or its module uses, and put the slow tests first."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "engine" in names:
            item.add_marker("engine")
        if "redis_url" in names or not _BROKERS.isdisjoint(vars(getattr(item, "module", None) or item)):
            item.add_marker("broker")
    yield
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """The slowest first, so that with pytest-xdist no process works alone on a long file at the end."""
    if "chaos" in item.path.parts or "deploy" in item.path.parts:
        return 0
    return next((at for at, name in enumerate(("broker", "engine"), 1) if item.get_closest_marker(name)), 3)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of a failed test's programs to its report."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder:
        for log in filter(Path.is_file, folder.rglob("*.log")):
            report.sections.append((f"the end of {log.name}", log.read_text(errors="replace")[-_TAIL_CHARS:]))
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the mark `every_engine` on each engine.

    Two kinds of tests run on Docker alone all the same: neutral ones, which show what no engine has a part
    in, and those that use `engine`, which ask Docker itself.
    """
    mark = metafunc.definition.get_closest_marker
    if mark("every_engine") and "sandbox" in metafunc.fixturenames:
        one = mark("neutral") or "engine" in inspect.signature(metafunc.function).parameters
        metafunc.parametrize("sandbox", list(ENGINES)[:1] if one else ENGINES, indirect=True, scope="session")


def pytest_configure(config: pytest.Config) -> None:
    """Accept SIGINT, which background processes of a shell ignore. Programs that tests start inherit this."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if name_store():
        config.add_cleanup(remove_store)
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(Stall())


@pytest.fixture(scope="session", autouse=True)
def _settings_of_nobody() -> Iterator[None]:
    """Remove the user's settings, so that neither the tests nor their programs see them."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in filter(is_ours, list(os.environ)):
            patch.delenv(variable)
        patch.setenv("CELLBLOCK_OWNER", OWNER)
        if IN_GVISOR:
            patch.setenv("CELLBLOCK_OCI_RUNTIME", "runsc")
        if PATIENCE > 1:
            for variable in ("CELLBLOCK_ENGINE_MARGIN", "CELLBLOCK_SILENCE"):
                patch.setenv(variable, f"{_PATIENT_S * PATIENCE:g}")
        yield


@pytest.fixture(autouse=True)
def _fresh_settings(_nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test has replaced before it is checked what the test has left."""
    this_settings.cache_clear()
    this_catalogue.cache_clear()
    yield
    monkeypatch.undo()
    this_settings.cache_clear()
    this_catalogue.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that a test leaves nothing. Removal goes on after a result, so wait a while."""
    uses = request.node.get_closest_marker
    client = request.getfixturevalue("engine") if uses("engine") and not _uses_no_daemon(request) else None
    keys = request.getfixturevalue("lasting_keys") if uses("broker") else None
    before = _children()
    yield
    wait_until(lambda: _children() <= before, GONE_S, "the test's processes are gone")
    wait_until(lambda: not _oci_cells(), GONE_S, "the test's cells of OCI runtimes are gone")
    if client is not None:
        try:
            wait_until(lambda: not cells(client), GONE_S, "the test's containers are gone")
        except BaseException:
            remove_cells(client)
            raise
    if keys is not None:
        try:
            wait_until(lambda: not keys.found(), GONE_S, "the test's keys are gone or will expire")
        except BaseException:
            keys.remove()
            raise


def _uses_no_daemon(request: pytest.FixtureRequest) -> bool:
    """Whether all cells of a test are of OCI runtimes: it runs on each engine, and this is one of those."""
    spec = getattr(request.node, "callspec", None)
    return spec is not None and str(spec.params.get("sandbox")).startswith("oci")


def _children() -> set[str]:
    """The numbers of this process's children. A look at all processes takes twenty times as long."""
    server = server_number()
    own = _children_of("self")
    return own if server is None else own - {str(server)} | _children_of(str(server))


def _children_of(process: str) -> set[str]:
    found: set[str] = set()
    for task in Path("/proc", process, "task").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found.update((task / "children").read_text().split())
    return found


def _oci_cells() -> list[str]:
    """This process's own cells that no daemon made. The keeper of a worker has cells all the time."""
    found = (CellFolder(path) for path in OCI_STATE.glob("*/cells/*"))
    return [folder.name for folder in found if not folder.labels().get(WORKER)]


def cells(client: docker.APIClient, owner: str = OWNER) -> list[str]:
    """The ids of this run's containers, in any state."""
    return [cell["Id"] for cell in client.containers(all=True, filters={"label": f"cellblock.owner={owner}"})]


def running_cells(client: docker.APIClient, owner: str = OWNER) -> list[str]:
    """The ids of the running containers. A container of an earlier job may still be in removal."""
    filters = {"label": f"cellblock.owner={owner}", "status": "running"}
    return [cell["Id"] for cell in client.containers(filters=filters)]


def about_last_seen(client: docker.APIClient, command: str) -> dict[str, Any]:
    """The engine's description of the cell once `command` runs. The cell is killed then, not earlier."""
    wait_until(lambda: runs(command), 10, "the job runs")
    (cell,) = running_cells(client)
    about: dict[str, Any] = client.inspect_container(cell)
    client.kill(cell)
    return about


def remove_cells(client: docker.APIClient, owner: str = OWNER) -> None:
    """Remove what a dead worker left, as a reaper would do after the deadline."""
    for cell in cells(client, owner):
        remove_container(client, cell, GONE_S)


def _volumes(client: docker.APIClient) -> list[object]:
    return client.volumes(filters={"label": f"cellblock.owner={OWNER}"})["Volumes"] or []


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """Gives a client of the container engine. Without an engine the test is skipped, or fails in CI."""
    try:
        client = connect(load_settings())
    except SandboxUnavailable as error:
        unavailable(str(error))
    yield client
    left = _volumes(client)
    client.close()
    assert left == []


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Gives the URL of this run's own Redis server, without a database."""
    if shutil.which("redis-server") is None:
        unavailable("There is no redis-server. Try: apt-get install redis-server")
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def lasting_keys(redis_url: str) -> Iterator[LastingKeys]:
    """Finds the keys that tests leave behind."""
    keys = LastingKeys(redis_url)
    yield keys
    keys.close()


def unavailable(why: str) -> None:
    """Skip the test because something is missing on this machine; in CI it fails instead."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def broker_url(redis_url: str) -> str:
    """Gives the URL of a database of the private Redis that no other test uses."""
    return f"{redis_url}/{next(_databases)}"


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest, engine: docker.APIClient) -> Sandbox:
    """Gives a sandbox on Docker, or on each engine in turn to a test that is marked so."""
    del engine
    real: Sandbox = request.getfixturevalue(ENGINES[getattr(request, "param", next(iter(ENGINES)))])
    return real


@pytest.fixture(scope="session")
def on_docker(engine: docker.APIClient) -> Iterator[Sandbox]:
    """Gives a sandbox on Docker."""
    choice = ImageChoice(engine)
    with Sandbox(load_settings(pull="never")) as real:
        for name in ("bash", "python"):
            try:
                choice.choose(real.catalogue[name])
            except ImageMissing as error:
                unavailable(str(error))
        yield real


@pytest.fixture(scope="session")
def oci_settings(engine: docker.APIClient) -> Iterator[dict[str, Any]]:
    """Gives the settings of an oci engine whose store has the images of bash and Python."""
    try:
        require_ids(*load_settings().uid_bounds)
        delegated_group()
    except EngineUnreachable as error:
        unavailable(str(error))
    store = shared_store(engine, ("bash", "python"))
    OCI_STATE.mkdir()
    yield {"engine": "oci", "store": store, "state": OCI_STATE, "pull": "never"}
    left = [*OCI_STATE.glob("ids/*"), *(OCI_STATE / OWNER).glob("cells/*")]
    shutil.rmtree(OCI_STATE)
    remove_groups(OWNER)
    assert left == []


@pytest.fixture(scope="session")
def crun(oci_settings: dict[str, Any]) -> Iterator[Sandbox]:
    """Gives a sandbox on crun, with no daemon in between."""
    yield from _on_oci_runtime("crun", oci_settings)


@pytest.fixture(scope="session")
def runc(oci_settings: dict[str, Any]) -> Iterator[Sandbox]:
    """Gives a sandbox on runc, with no daemon in between."""
    yield from _on_oci_runtime("runc", oci_settings)


@pytest.fixture(scope="session")
def runsc(oci_settings: dict[str, Any]) -> Iterator[Sandbox]:
    """Gives a sandbox on gVisor, with no daemon in between."""
    yield from _on_oci_runtime("runsc", oci_settings)


def _on_oci_runtime(name: str, settings: dict[str, Any]) -> Iterator[Sandbox]:
    if shutil.which(name) is None:
        unavailable(f"There is no {name}. Try: apt-get install {name}")
    with Sandbox(load_settings(**settings, oci_runtime=name)) as real:
        yield real


@pytest.fixture(scope="session")
def host() -> Iterator[Sandbox]:
    """Gives a sandbox in host mode: commands run on this host."""
    with Sandbox(load_settings(enable_docker=False)) as real:
        yield real


@pytest.fixture(scope="session")
def worker(
    redis_url: str, engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """Gives a real worker with two processes, on a database of its own. Its cells are Docker's."""
    del engine
    url = _with_password(redis_url)
    with running_worker(tmp_path_factory.mktemp("worker"), url, "--concurrency=2") as real:
        real.await_registration()
        yield real


@pytest.fixture(scope="session")
def quick_worker(
    redis_url: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """Gives such a worker with cells of crun, which take a seventh of the processor time.

    This user may have no right to make those. Then the cells are Docker's here too.
    """
    try:
        sandbox = request.getfixturevalue("crun")
    except pytest.skip.Exception:
        sandbox = request.getfixturevalue("on_docker")
    url, folder = _with_password(redis_url), tmp_path_factory.mktemp("worker")
    with running_worker(folder, url, "--concurrency=2", **environment(sandbox.settings)) as real:
        real.await_registration()
        yield real


def _with_password(redis_url: str) -> str:
    """The address of a database that no other test uses, for a user whose password must not be logged."""
    with redis.Redis.from_url(redis_url) as server:
        server.execute_command("ACL", "SETUSER", "tester", "on", f">{BROKER_PASSWORD}", "~*", "&*", "+@all")
    return f"{redis_url.replace('://', f'://tester:{BROKER_PASSWORD}@')}/{next(_databases)}"


@pytest.fixture(scope="session")
def client_of() -> Iterator[Callable[[str], Celery]]:
    """Gives a function that makes an app for a broker's URL: Celery and the queue's name, nothing else."""
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
    """Gives an app that knows the worker's task only by its name."""
    return client_of(worker.broker_url)
