"""What cellblock does in another way where cells are made by gVisor."""

from __future__ import annotations

import pytest

from sandbox.gvisor import gvisor_flags, host_tasks


@pytest.mark.parametrize("runtime", ["runsc", "/usr/local/bin/runsc-kvm", "gvisor"])
def test_a_process_in_gvisor_may_have_several_tasks_on_the_host(runtime: str) -> None:
    assert host_tasks(128, runtime) == 64 + 24 * 128


@pytest.mark.parametrize("runtime", [None, "runc", "/srv/runsc/crun"])
def test_a_process_of_another_runtime_is_one_task(runtime: str | None) -> None:
    assert host_tasks(128, runtime) == 128


@pytest.mark.parametrize(("program", "flags"), [("/usr/bin/runsc", ("--network=none",)), ("crun", ())])
def test_gvisor_alone_is_told_to_use_no_network(program: str, flags: tuple[str, ...]) -> None:
    assert gvisor_flags(program) == flags
