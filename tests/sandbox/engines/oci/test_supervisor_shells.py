"""The supervisor in several shells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import Sandbox, Status
from sandbox.engines.oci import engine
from sandbox.profile import Profile, cell_profile
from sandbox.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import Iterator

# With this setting bash keeps a here-document in a file, as it did before version 5.1.
SHELLS = {"sh": ("sh",), "bash": ("bash",), "old bash": ("env", "BASH_COMPAT=50", "bash")}


@pytest.fixture(params=SHELLS)
def box(
    request: pytest.FixtureRequest, oci_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    def profile(**limits: Any) -> Profile:
        return replace(cell_profile(**limits), program=(*SHELLS[request.param], "-c", SUPERVISOR, "cell"))

    monkeypatch.setattr(engine, "cell_profile", profile)
    with Sandbox(load_settings(**oci_settings)) as real:
        yield real


def test_the_workers_orders_reach_a_job_in_any_shell(box: Sandbox) -> None:
    result = box.run("trap 'echo told; exit 3' TERM; sleep 30 & wait", "bash", timeout=0.5, grace=20)
    assert (result.status, result.exit_code, result.stdout) == (Status.TIMED_OUT, 3, "told\n")


def test_nothing_of_the_supervisors_is_left_for_the_job(box: Sandbox) -> None:
    assert box.run("ls -A /tmp /proc/self/fd", "bash").stdout.split() == ["/proc/self/fd:", *"0123", "/tmp:"]
