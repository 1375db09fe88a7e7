"""A short chaos run. `make chaos` is the long one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.plan import Plan
from tests.chaos.run import run_chaos
from tests.chaos.stage import Stage
from tests.conftest import unavailable

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.alone

_FAULTS = 10
_SETTLE_S = 60.0


@pytest.mark.timeout(240)
def test_whatever_is_struck_every_job_ends_once_as_it_should_and_nothing_is_left(
    engine: docker.APIClient, root: None
) -> None:
    if not all(map(shutil.which, ("redis-server", "containerd"))):
        unavailable("There is no redis-server or no containerd. Try: apt-get install redis-server containerd")
    plan = Plan.of(5, jobs=60, faults=_FAULTS, workers=2, mean_gap_s=2.5, python=False)
    said: list[str] = []
    with Stage(["cellblock/bash:local"], engine) as stage:
        report = run_chaos(plan, stage, _SETTLE_S, said.append)
    assert report.is_good, "\n".join([*said, str(report)])
