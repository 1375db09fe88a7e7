"""Every way to run `echo hi` that is compared: the modes of cellblock, and common alternatives."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker

from benchmarks.alternatives import alternatives
from benchmarks.caller import Caller
from benchmarks.contender import Contender
from benchmarks.http_caller import http_caller
from benchmarks.surroundings import BenchError
from sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.caller import Answer
    from benchmarks.http_caller import HttpCaller
    from benchmarks.surroundings import Surroundings, Worker

__all__ = [
    "CELERY_COLD",
    "CELERY_COLD_CRUN",
    "CELERY_HOST",
    "CELERY_WARM",
    "HTTP_WARM",
    "INPROC_COLD",
    "INPROC_COLD_CRUN",
    "INPROC_WARM",
    "Workers",
    "contenders",
    "on_engine",
]

INPROC_WARM = "cellblock, in-process, warm"
INPROC_COLD = "cellblock, in-process, cold"
CELERY_WARM = "cellblock, Celery, warm"
CELERY_COLD = "cellblock, Celery, cold"
HTTP_WARM = "cellblock, HTTP, warm"
INPROC_HOST = "cellblock, in-process, host mode"
CELERY_HOST = "cellblock, Celery, host mode"
INPROC_WARM_CRUN = "cellblock with crun, in-process, warm"
INPROC_COLD_CRUN = "cellblock with crun, in-process, cold"
INPROC_COLD_RUNC = "cellblock with runc, in-process, cold"
CELERY_WARM_CRUN = "cellblock with crun, Celery, warm"
CELERY_COLD_CRUN = "cellblock with crun, Celery, cold"

_CELL = "single-use cell"
_WARM = 4
_FULL_S = 60.0


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that the contenders of a run share, and the number of warm cells of the warm ones."""

    warm: Worker
    cold: Worker
    host: Worker
    crun_warm: Worker
    crun_cold: Worker
    warm_cells: int


@contextmanager
def contenders(around: Surroundings, workers: Workers) -> Iterator[tuple[list[Contender], dict[str, str]]]:
    """The contenders that work on this machine, and for each other one the reason why it does not."""
    openers = _ours(around, workers) | alternatives(around)
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        there = []
        for name, opener in openers.items():
            try:
                there.append(opener(stack))
                there[-1].once()
            except (BenchError, docker.errors.DockerException) as error:
                missing[name] = str(error)
        yield [one for one in there if one.name not in missing], missing


def on_engine(around: Surroundings, oci_runtime: str | None) -> dict[str, object]:
    """Settings that choose an engine: `oci` with this runtime, or Docker if it is None.

    Raises:
        BenchError: the runtime is not installed.
    """
    if oci_runtime is None:
        return {}
    if shutil.which(oci_runtime) is None:
        raise BenchError(f"no {oci_runtime} here. Try: apt-get install {oci_runtime}")
    return around.oci.settings(oci_runtime)


def _ours(around: Surroundings, workers: Workers) -> dict[str, Callable[[ExitStack], Contender]]:
    cells = workers.warm_cells
    return {
        INPROC_WARM: lambda stack: _inproc_warm(INPROC_WARM, around, None, stack),
        INPROC_WARM_CRUN: lambda stack: _inproc_warm(INPROC_WARM_CRUN, around, "crun", stack),
        INPROC_COLD: lambda stack: _inproc_cold(INPROC_COLD, around, None, stack),
        INPROC_COLD_CRUN: lambda stack: _inproc_cold(INPROC_COLD_CRUN, around, "crun", stack),
        INPROC_COLD_RUNC: lambda stack: _inproc_cold(INPROC_COLD_RUNC, around, "runc", stack),
        CELERY_WARM: lambda stack: _celery_warm(CELERY_WARM, around, workers.warm, cells, stack),
        HTTP_WARM: lambda stack: _http_warm(around, workers.warm, cells, stack),
        CELERY_WARM_CRUN: lambda stack: _celery_warm(
            CELERY_WARM_CRUN, around, workers.crun_warm, cells, stack
        ),
        CELERY_COLD: lambda stack: _celery_cold(CELERY_COLD, around, workers.cold, stack),
        CELERY_COLD_CRUN: lambda stack: _celery_cold(CELERY_COLD_CRUN, around, workers.crun_cold, stack),
        INPROC_HOST: lambda stack: _inproc_host(around, stack),
        CELERY_HOST: lambda stack: _celery_host(workers, stack),
    }


def _inproc_warm(name: str, around: Surroundings, oci_runtime: str | None, stack: ExitStack) -> Contender:
    settings = around.settings(name, warm=f"0,bash={_WARM}", **on_engine(around, oci_runtime))
    sandbox = stack.enter_context(Sandbox(settings))

    def prepare() -> None:
        sandbox.settle()
        if not sandbox.warm_up(_FULL_S):
            raise BenchError("The pool of this process did not fill.")

    prepare()
    return Contender(name, lambda: _run(sandbox, warm=True), prepare, times=3, isolation=_CELL)


def _inproc_cold(name: str, around: Surroundings, oci_runtime: str | None, stack: ExitStack) -> Contender:
    sandbox = stack.enter_context(Sandbox(around.settings(name, **on_engine(around, oci_runtime))))
    return Contender(name, lambda: _run(sandbox), sandbox.settle, isolation=_CELL)


def _inproc_host(around: Surroundings, stack: ExitStack) -> Contender:
    sandbox = stack.enter_context(Sandbox(around.settings(INPROC_HOST, enable_docker=False)))
    return Contender(INPROC_HOST, lambda: _run(sandbox), isolation="none")


def _run(sandbox: Sandbox, *, warm: bool = False) -> float:
    started = time.perf_counter()
    result = sandbox.run("echo hi", "bash")
    seconds = time.perf_counter() - started
    if result.stdout != "hi\n" or result.warm is not warm:
        raise BenchError(f"A wrong answer, or a cell that is not {warm=}: {result}")
    return seconds


def _celery_warm(name: str, around: Surroundings, worker: Worker, cells: int, stack: ExitStack) -> Contender:
    return _warm(name, stack.enter_context(_caller(worker)), around, worker, cells)


def _http_warm(around: Surroundings, worker: Worker, cells: int, stack: ExitStack) -> Contender:
    return _warm(HTTP_WARM, stack.enter_context(http_caller(worker.broker_url)), around, worker, cells)


def _warm(
    name: str, caller: Caller | HttpCaller, around: Surroundings, worker: Worker, cells: int
) -> Contender:
    answers: list[Answer] = []

    def prepare() -> None:
        used = [answers[-1].result["container"]] if answers else []
        around.wait_warm(worker, cells, used)

    prepare()
    once = _through(caller, answers, warm=True)
    return Contender(name, once, prepare, 3, isolation=_CELL, answers=answers)


def _celery_cold(name: str, around: Surroundings, worker: Worker, stack: ExitStack) -> Contender:
    caller = stack.enter_context(_caller(worker))
    answers: list[Answer] = []
    prepare = lambda: around.wait_gone(worker.owner)  # noqa: E731
    return Contender(name, _through(caller, answers), prepare, isolation=_CELL, answers=answers)


def _celery_host(workers: Workers, stack: ExitStack) -> Contender:
    caller = stack.enter_context(_caller(workers.host))
    answers: list[Answer] = []
    return Contender(CELERY_HOST, _through(caller, answers), isolation="none", answers=answers)


@contextmanager
def _caller(worker: Worker) -> Iterator[Caller]:
    caller = Caller(worker.broker_url)
    try:
        yield caller
    finally:
        caller.close()


def _through(
    caller: Caller | HttpCaller, answers: list[Answer], *, warm: bool = False
) -> Callable[[], float]:
    def once() -> float:
        answer = caller.run()
        if answer.result["stdout"] != "hi\n" or answer.result["warm"] is not warm:
            raise BenchError(f"A wrong answer, or a cell that is not {warm=}: {answer.result}")
        answers.append(answer)
        return answer.seconds

    return once
