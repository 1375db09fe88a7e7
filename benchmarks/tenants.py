"""Measures how long a tenant's jobs take while another tenant has a long queue, and whether weights hold."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from celery import Celery

from benchmarks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_tenants"]

_JOB = "sleep 0.05"
_SINGLES = 20
_WEIGHTED = 200
_PATIENCE_S = 300.0


class _Tenants:
    """Sends jobs of tenants to one worker."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, tenant: str, count: int) -> list[Any]:
        headers = {"cellblock_tenant": tenant} if tenant else {}
        names = ("cellblock.run_sandboxed", [_JOB, "bash"])
        return [self._app.send_task(*names, queue="cellblock", headers=headers) for _ in range(count)]

    def single_s(self, tenant: str) -> float:
        """The seconds of one job."""
        started = time.perf_counter()
        self.send(tenant, 1)[0].get(timeout=_PATIENCE_S, interval=0.002)
        return time.perf_counter() - started


def measure_tenants(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Measure in the legacy mode, so that cells take no time of the processors."""
    crowd = 100 * scale.bursts
    with _worker(around, "tenants") as tenants:
        say("tenants: one alone")
        alone = [tenants.single_s("single") for _ in range(_SINGLES)]
        say("tenants: one beside a crowd")
        began, sent = time.perf_counter(), tenants.send("crowd", crowd)
        beside = [tenants.single_s("single") for _ in range(_SINGLES)]
        _wait(sent)
        fair_per_s = (crowd + _SINGLES) / (time.perf_counter() - began)
        say("tenants: the crowd without names")
        began = time.perf_counter()
        _wait(tenants.send("", crowd))
        plain_per_s = crowd / (time.perf_counter() - began)
    share = _share_of_three_to_one(around, say)
    return _table(alone, beside, crowd, fair_per_s, plain_per_s, share)


def _share_of_three_to_one(around: Surroundings, say: Callable[[str], None]) -> float:
    """How many jobs of the tenant with weight 3 are among the first half of all."""
    say("tenants: weights 3 to 1")
    with _worker(around, "weights", "heavy=3,light=1") as tenants:
        jobs = {tenant: tenants.send(tenant, _WEIGHTED) for tenant in ("heavy", "light")}
        for sent in jobs.values():
            _wait(sent)
    ended = sorted((one.date_done, tenant) for tenant, sent in jobs.items() for one in sent)
    first = Counter(tenant for _, tenant in ended[:_WEIGHTED])
    return first["heavy"] / first["light"]


@contextmanager
def _worker(around: Surroundings, name: str, weights: str = "") -> Iterator[_Tenants]:
    with ExitStack() as stack:
        started = around.worker(
            name, "--concurrency=2", ENABLE_DOCKER="false", CELLBLOCK_TENANT_WEIGHTS=weights
        )
        url = stack.enter_context(started).broker_url
        app = Celery("tenants", broker=url, backend=url, set_as_current=False)
        stack.callback(app.close)
        tenants = _Tenants(app)
        _wait(tenants.send("warm-up", 10))
        yield tenants


def _wait(sent: list[Any]) -> None:
    for one in sent:
        one.get(timeout=_PATIENCE_S, interval=0.01)


def _table(
    alone: list[float], beside: list[float], crowd: int, fair_per_s: float, plain_per_s: float, share: float
) -> Finding:
    alone_ms, beside_ms = (1000 * statistics.median(one) for one in (alone, beside))
    rows = [
        ("a single tenant's job, alone, p50", f"{alone_ms:.0f} ms"),
        (f"the same beside a tenant with {crowd} jobs in the queue", f"{beside_ms:.0f} ms"),
        ("jobs a second meanwhile", f"{fair_per_s:.1f}"),
        ("jobs a second of the crowd without names of tenants", f"{plain_per_s:.1f}"),
        ("jobs of weight 3 for each of weight 1, while both wait", f"{share:.2f}"),
    ]
    raw = {
        "alone_ms": round(alone_ms, 1),
        "beside_ms": round(beside_ms, 1),
        "times": round(beside_ms / alone_ms, 2),
        "fair_per_s": round(fair_per_s, 1),
        "plain_per_s": round(plain_per_s, 1),
        "share": round(share, 2),
    }
    return Finding("tenants", "Tenants", ("what", "measured"), rows, raw, notes=[f"Each job is `{_JOB}`."])
