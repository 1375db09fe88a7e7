"""Everything that a chaos run affects: two workers, their proxies, one engine and one Redis."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.chaos.clocks import WrongClock
from tests.chaos.durable_redis import DurableRedis, Fsync
from tests.chaos.engine import PrivateEngine
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
    """A worker, with its proxies to the engine and to Redis, and its clock."""

    worker: ChaosWorker
    engine_link: StallingProxy
    redis_link: StallingProxy
    clock: WrongClock


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
    owner: str = "chaos"
    engine: PrivateEngine = field(init=False)
    redis: DurableRedis = field(init=False)
    posts: list[Post] = field(default_factory=list, init=False)
    folder: Path = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # Not in pytest's own folder: its path is too long for the sockets.
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-chaos-")))
            self.redis = stack.enter_context(DurableRedis(self.folder, self.fsync))
            place = self.folder / "e"
            place.mkdir()
            self.engine = stack.enter_context(PrivateEngine(place))
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

    def _post(self, stack: ExitStack, number: int) -> Post:
        engine_link = stack.enter_context(
            StallingProxy(self.engine.socket, self.folder / f"engine-{number}.sock")
        )
        redis_link = stack.enter_context(StallingProxy(self.redis.port))
        settings = {
            "CELLBLOCK_BROKER_URL": f"redis://127.0.0.1:{redis_link.address}/0",
            "CELLBLOCK_DOCKER_HOST": engine_link.url,
            "CELLBLOCK_OWNER": self.owner,
        }
        clock = WrongClock(
            self.folder / f"clock-{number}", self.clock_off_s if number == self.workers - 1 else 0
        )
        settings |= clock.settings
        worker = ChaosWorker(f"worker{number}", settings, self.folder / f"worker-{number}.log")
        stack.callback(worker.kill)
        return Post(worker, engine_link, redis_link, clock)
