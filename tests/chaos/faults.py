"""The faults. Each can be caused at once, and has a way to repair it and a duration."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker
import psutil
import redis
import requests.exceptions

from sandbox.errors import EngineFailed
from tests.chaos.clocks import STEP_S
from tests.chaos.engine import PrivateEngine
from tests.chaos.oci import PrivateOci, WrappedRuntime
from tests.chaos.proxy import StallingProxy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from random import Random

    from tests.chaos.stage import Post, Stage

__all__ = ["FAULTS", "OCI_FAULTS", "Fault", "Mend", "fault_plan", "strike"]

#: Repairs a fault. Calling it twice does no harm.
Mend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, `gap_s` seconds after the one before it. Some kinds affect only the worker of this number."""

    kind: str
    worker: int
    gap_s: float
    lasts_s: float
    # From 0 up to but not including 1. Chooses one of several processes or cells.
    choice: float


def fault_plan(
    random: Random, kinds: Collection[str], count: int, workers: int, mean_gap_s: float
) -> Iterator[Fault]:
    """Plan `count` faults with every kind equally often. The same seed always gives the same plan."""
    kinds = list(kinds)
    for number in range(count):
        if number % len(kinds) == 0:
            random.shuffle(kinds)
        kind = kinds[number % len(kinds)]
        gap_s = random.uniform(0.2, 1.8) * mean_gap_s
        yield Fault(
            kind, random.randrange(workers), gap_s, random.uniform(*_EVERY[kind].lasts_s), random.random()
        )


def strike(fault: Fault, stage: Stage) -> Mend | None:
    """Cause the fault. Returns how to repair it, or None if there was nothing to affect."""
    return _EVERY[fault.kind].act(stage, stage.posts[fault.worker], fault.choice)


@dataclass(frozen=True, slots=True)
class _Kind:
    act: Callable[[Stage, Post, float], Mend | None]
    lasts_s: tuple[float, float] = (0.0, 0.0)


def _nothing() -> None:
    pass


def _pick(processes: list[psutil.Process], choice: float) -> psutil.Process | None:
    return processes[int(choice * len(processes))] if processes else None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _kill_child(_: Stage, post: Post, choice: float) -> Mend | None:
    child = _pick(post.worker.pool(), choice)
    if child is None:
        return None
    _signal(child, signal.SIGKILL)
    return _nothing


def _freeze_child(_: Stage, post: Post, choice: float) -> Mend | None:
    child = _pick(post.worker.pool(), choice)
    if child is None:
        return None
    _signal(child, signal.SIGSTOP)
    return lambda: _signal(child, signal.SIGCONT)


def _kill_keeper(_: Stage, post: Post, choice: float) -> Mend | None:
    keeper = _pick(post.worker.keepers(), choice)
    if keeper is None:
        return None
    _signal(keeper, signal.SIGKILL)
    return _nothing


def _kill_worker(_: Stage, post: Post, _choice: float) -> Mend | None:
    if not post.worker.is_alive:
        return None
    post.worker.kill()
    return post.worker.start


def _freeze_worker(_: Stage, post: Post, _choice: float) -> Mend | None:
    if not post.worker.is_alive:
        return None
    post.worker.send(signal.SIGSTOP)
    return lambda: post.worker.send(signal.SIGCONT)


def _reset_connections(stage: Stage, _: Post, _choice: float) -> Mend | None:
    try:
        stage.redis.reset_connections()
    except (redis.ConnectionError, redis.TimeoutError):
        return None
    return _nothing


def _kill_redis(stage: Stage, _: Post, _choice: float) -> Mend | None:
    if not stage.redis.answers():
        return None
    stage.redis.kill()
    return stage.redis.start


def _freeze_redis(stage: Stage, _: Post, _choice: float) -> Mend | None:
    if not stage.redis.answers():
        return None
    stage.redis.send(signal.SIGSTOP)
    return lambda: stage.redis.send(signal.SIGCONT)


def _fill_redis(stage: Stage, _: Post, _choice: float) -> Mend | None:
    if not stage.redis.answers():
        return None
    stack = ExitStack()
    stack.enter_context(stage.redis.filled())
    return stack.close


def _kill_engine(stage: Stage, _: Post, choice: float) -> Mend | None:
    engine = stage.engine
    assert isinstance(engine, PrivateEngine)
    if not engine.answers():
        return None
    engine.kill(whole=choice < 0.5)
    return engine.start


def _stall_engine(_: Stage, post: Post, _choice: float) -> Mend | None:
    assert isinstance(post.engine_link, StallingProxy)
    post.engine_link.stall()
    return post.engine_link.heal


def _cut_network(_: Stage, post: Post, _choice: float) -> Mend | None:
    post.redis_link.cut()
    return post.redis_link.heal


def _stall_network(_: Stage, post: Post, _choice: float) -> Mend | None:
    post.redis_link.stall()
    return post.redis_link.heal


def _set_clock(_: Stage, post: Post, choice: float) -> Mend | None:
    """Set the clock of one worker. The repair sets it back."""
    post.clock.set(_step_s(choice))
    return lambda: post.clock.set(0)


def _set_engines_clock(stage: Stage, _: Post, choice: float) -> Mend | None:
    _set_links(stage, _step_s(choice))
    return lambda: _set_links(stage, 0)


def _set_links(stage: Stage, clock_off_s: float) -> None:
    for post in stage.posts:
        assert isinstance(post.engine_link, StallingProxy)
        post.engine_link.clock_off_s = clock_off_s


def _step_s(choice: float) -> float:
    return STEP_S if choice < 0.5 else -STEP_S


def _remove_cell(stage: Stage, _: Post, choice: float) -> Mend | None:
    """Remove a cell as an operator may do by mistake."""
    with suppress(docker.errors.DockerException, requests.exceptions.RequestException, EngineFailed):
        if names := stage.engine.cells():
            stage.engine.remove(names[int(choice * len(names))])
            return _nothing
    return None


def _runtime_of(post: Post) -> WrappedRuntime:
    assert isinstance(post.engine_link, WrappedRuntime)
    return post.engine_link


def _refuse_calls(_: Stage, post: Post, choice: float) -> Mend | None:
    _runtime_of(post).fail(2, late=choice < 0.5)
    return _runtime_of(post).mend


def _take_runtime_away(_: Stage, post: Post, _choice: float) -> Mend | None:
    _runtime_of(post).take_away()
    return _runtime_of(post).mend


def _hold_runtime(_: Stage, post: Post, _choice: float) -> Mend | None:
    _runtime_of(post).hold()
    return _runtime_of(post).mend


def _fill_state(stage: Stage, _: Post, _choice: float) -> Mend | None:
    assert isinstance(stage.engine, PrivateOci)
    stage.engine.fill_state()
    return stage.engine.empty_state


def _take_ids(stage: Stage, _: Post, _choice: float) -> Mend | None:
    assert isinstance(stage.engine, PrivateOci)
    stage.engine.take_ids()
    return stage.engine.give_back_ids


FAULTS = {
    "pool child killed": _Kind(_kill_child),
    "pool child frozen": _Kind(_freeze_child, (1, 8)),
    "worker killed": _Kind(_kill_worker, (0, 8)),
    "worker frozen": _Kind(_freeze_worker, (1, 8)),
    "keeper killed": _Kind(_kill_keeper),
    "connections reset": _Kind(_reset_connections),
    "Redis killed": _Kind(_kill_redis, (0, 3)),
    "Redis frozen": _Kind(_freeze_redis, (1, 6)),
    "Redis full": _Kind(_fill_redis, (2, 10)),
    "engine killed": _Kind(_kill_engine, (0, 2)),
    "engine stalled": _Kind(_stall_engine, (2, 10)),
    "network cut": _Kind(_cut_network, (1, 8)),
    "network stalled": _Kind(_stall_network, (2, 10)),
    "cell removed": _Kind(_remove_cell),
    "worker's clock set": _Kind(_set_clock, (5, 20)),
    "engine's clock set": _Kind(_set_engines_clock, (5, 20)),
}

_OF_DOCKER = ("engine killed", "engine stalled", "engine's clock set", "worker's clock set")

#: The faults of the engine oci. Its workers share the host's clock, and there is no daemon.
OCI_FAULTS = {kind: fault for kind, fault in FAULTS.items() if kind not in _OF_DOCKER} | {
    "runtime fails": _Kind(_refuse_calls, (1, 8)),
    "runtime missing": _Kind(_take_runtime_away, (1, 8)),
    "runtime hangs": _Kind(_hold_runtime, (2, 10)),
    "state folder full": _Kind(_fill_state, (1, 8)),
    "ids exhausted": _Kind(_take_ids, (1, 8)),
}

_EVERY = FAULTS | OCI_FAULTS
