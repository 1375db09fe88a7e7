"""A short chaos run. `make chaos` is the long one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.faults import FAULTS, OCI_FAULTS
from tests.chaos.plan import Plan
from tests.chaos.run import run_chaos
from tests.chaos.stage import Stage
from tests.conftest import unavailable

if TYPE_CHECKING:
    from collections.abc import Collection

    import docker

pytestmark = pytest.mark.alone

_SETTLE_S = 60.0


@pytest.fixture
def _programs() -> None:
    if not all(map(shutil.which, ("redis-server", "containerd", "crun"))):
        unavailable("There is no redis-server, containerd or crun. Try: apt-get install redis-server crun")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("oci_runtime", "jobs", "faults", "kinds"),
    [(None, 60, 10, FAULTS), ("crun", 30, 7, list(OCI_FAULTS)[-7:])],
    ids=["docker", "oci+crun"],
)
@pytest.mark.usefixtures("_programs", "root")
def test_whatever_is_struck_every_job_ends_once_as_it_should_and_nothing_is_left(
    engine: docker.APIClient, oci_runtime: str | None, jobs: int, faults: int, kinds: Collection[str]
) -> None:
    plan = Plan.of(5, jobs, faults, workers=2, mean_gap_s=2.5, python=False, kinds=kinds)
    said: list[str] = []
    with Stage(["cellblock/bash:local"], engine, oci_runtime=oci_runtime) as stage:
        report = run_chaos(plan, stage, _SETTLE_S, said.append)
    assert report.is_good, "\n".join([*said, str(report)])
