"""One chaos run, from the first job to the report."""

from __future__ import annotations

import math
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.chaos.aftermath import find_left, stop_workers
from tests.chaos.publisher import Publisher
from tests.chaos.recovery import after_each, after_each_struck, again_after_death, slowest
from tests.chaos.report import Report
from tests.chaos.results import ResultWatch
from tests.chaos.striker import Say, Striker
from tests.waiting import becomes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.plan import Plan
    from tests.chaos.stage import Stage

__all__ = ["run_chaos"]


def run_chaos(plan: Plan, stage: Stage, settle_s: float, say: Say) -> Report:
    """Send the jobs of `plan`, cause the faults, wait up to `settle_s` seconds for the rest, and count."""
    began = time.monotonic()
    jobs = {job.id: job for job in plan.jobs}

    def named(ids: Iterable[str]) -> list[str]:
        return [f"{jobs[job_id].kind} {job_id}" for job_id in ids]

    with ExitStack() as stack:
        results = stack.enter_context(ResultWatch(stage.redis, jobs))
        cells = stack.enter_context(stage.engine.watch())
        every_s = plan.lasts_s / len(jobs)
        publisher = stack.enter_context(Publisher(stage.redis.url, plan.jobs, every_s))
        striker = Striker(plan.faults, stage, cells, say)

        def over() -> bool:
            striker.act()
            return striker.is_done and publisher.is_done

        # No limit is needed: the plan has an end, and every fault has its own limit.
        becomes(over, math.inf)
        say(f"everything is struck, mended and sent; {len(jobs) - len(results.outcomes())} results to come")
        becomes(lambda: len(results.outcomes()) == len(jobs), settle_s)
        took_s = time.monotonic() - began
        left = find_left(stage, jobs.keys() - results.outcomes().keys())
        unstopped = stop_workers(stage)
    ended = [f"{p.worker.hostname}: {code}" for p in stage.posts for code in p.worker.ended_by_itself]
    outcomes, starts, strikes = results.outcomes(), cells.starts(), striker.strikes
    return Report(
        seed=plan.seed,
        jobs=len(jobs),
        took_s=round(took_s, 1),
        engine=stage.oci_runtime or "docker",
        fsync=stage.redis.fsync,
        clock_off_s=stage.clock_off_s,
        faults=dict(Counter(struck.kind for struck in strikes)),
        lost=named(left.lost),
        stuck=named(left.stuck),
        wrong=[
            f"{jobs[job_id].kind} {job_id}: {outcome.state} {str(outcome.answer)[:400]}"
            for job_id, outcome in outcomes.items()
            if not jobs[job_id].is_right(outcome.state, outcome.answer)
        ],
        changed=[
            f"{jobs[job_id].kind} {job_id}: {', '.join(outcome.changes)}"
            for job_id, outcome in outcomes.items()
            if outcome.changes
        ],
        doubled=named(cells.twice_at_once()),
        cells_left=left.cells,
        remains=left.remains,
        keys_left=left.keys,
        workers_that_ended=ended,
        workers_that_did_not_stop=unstopped,
        sent_again=publisher.sent_again,
        run_again=len(starts) - len({start.job_id for start in starts}),
        recovery_s=after_each(strikes, outcomes),
        recovery_of_struck_s=after_each_struck(strikes, outcomes),
        slowest=slowest(strikes, outcomes),
        again_after_death_s=again_after_death(strikes, outcomes, starts),
    )
