"""Everything that a chaos run affects: two workers, their proxies, one engine and one Redis."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.chaos.clocks import WrongClock
from tests.chaos.durable_redis import DurableRedis, Fsync
from tests.chaos.engine import PrivateEngine
from tests.chaos.oci import PrivateOci, WrappedRuntime
from tests.chaos.proxy import StallingProxy
from tests.chaos.workers import ChaosWorker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    import docker

__all__ = ["Post", "Stage"]

_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Post:
    """A worker, with its proxy to Redis, its clock, and its way to its engine: a proxy or a program."""

    worker: ChaosWorker
    redis_link: StallingProxy
    clock: WrongClock
    engine_link: StallingProxy | WrappedRuntime


@dataclass(slots=True)
class Stage:
    """A context that starts everything, and ends everything in whatever state it is.

    The clock of the last worker is wrong by `clock_off_s` seconds.
    """

    images: Iterable[str]
    source: docker.APIClient
    workers: int = 2
    fsync: Fsync = "always"
    clock_off_s: int = 0
    #: The OCI runtime of the engine oci; None for a Docker engine.
    oci_runtime: str | None = None
    engine: PrivateEngine | PrivateOci = field(init=False)
    redis: DurableRedis = field(init=False)
    posts: list[Post] = field(default_factory=list, init=False)
    folder: Path = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # Not in pytest's own folder: its path is too long for the sockets.
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-chaos-")))
            self.redis = stack.enter_context(DurableRedis(self.folder, self.fsync))
            self.engine = self._engine()
            stack.enter_context(self.engine)
            self.engine.load(self.source, self.images)
            for number in range(self.workers):
                self.posts.append(self._post(stack, number))
            for post in self.posts:
                post.worker.start()
            wait_until(lambda: all(p.worker.is_ready for p in self.posts), _START_S, "the workers are ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def keep_logs(self, folder: Path) -> None:
        """Copy all logs to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in (*self.folder.glob("*.log"), *self.folder.glob("e/*.log")):
            shutil.copy(log, folder)

    def _engine(self) -> PrivateEngine | PrivateOci:
        place = self.folder / "e"
        place.mkdir()
        if self.oci_runtime is None:
            return PrivateEngine(place)
        # To the host, a cell's user is one that owns nothing. It must be able to enter the store.
        self.folder.chmod(0o711)
        # Several runs share the control groups of the host.
        return PrivateOci(place, f"chaos-{secrets.token_hex(4)}", self.oci_runtime)

    def _post(self, stack: ExitStack, number: int) -> Post:
        redis_link = stack.enter_context(StallingProxy(self.redis.port))
        engine_link, settings = self._engine_link(stack, number)
        settings |= {
            "CELLBLOCK_BROKER_URL": f"redis://127.0.0.1:{redis_link.address}/0",
            "CELLBLOCK_OWNER": self.engine.owner,
        }
        clock = WrongClock(
            self.folder / f"clock-{number}", self.clock_off_s if number == self.workers - 1 else 0
        )
        settings |= clock.settings
        worker = ChaosWorker(f"worker{number}", settings, self.folder / f"worker-{number}.log")
        stack.callback(worker.kill)
        return Post(worker, redis_link, clock, engine_link)

    def _engine_link(
        self, stack: ExitStack, number: int
    ) -> tuple[StallingProxy | WrappedRuntime, dict[str, str]]:
        if isinstance(self.engine, PrivateOci):
            program = WrappedRuntime(self.folder / "e" / f"runtime-{number}", self.engine.runtime)
            return program, self.engine.settings_of(program)
        link = StallingProxy(self.engine.socket, self.folder / f"engine-{number}.sock")
        return stack.enter_context(link), {"CELLBLOCK_DOCKER_HOST": link.url}
