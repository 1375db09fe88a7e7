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


@pytest.mark.parametrize(
    ("cmd", "status"),
    [("kill -TERM $$", Status.SIGNALED), ("exit 143", Status.FAILED), ("kill -KILL $$", Status.SIGNALED)],
)
def test_every_shell_tells_a_signal_from_an_exit_code(box: Sandbox, cmd: str, status: Status) -> None:
    assert box.run(cmd, "bash").status is status


@pytest.fixture
def without_bash(oci_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Gives a sandbox whose cells do not find bash."""
    supervisor = SUPERVISOR.replace("command -v bash", "command -v no-such-shell")

    def profile(**limits: Any) -> Profile:
        return replace(cell_profile(**limits), program=("/bin/sh", "-c", supervisor, "cell"))

    monkeypatch.setattr(engine, "cell_profile", profile)
    with Sandbox(load_settings(**oci_settings)) as real:
        yield real


@pytest.mark.parametrize("request_", [{"cmd": "echo ran"}, {"cmd": None, "files": {"main.sh": "echo ran"}}])
def test_without_bash_the_other_shell_runs_the_job_and_one_sentence_says_so(
    without_bash: Sandbox, request_: dict[str, Any]
) -> None:
    result = without_bash.run(**request_)
    assert (result.stdout, result.stderr.count("\n")) == ("ran\n", 1)
    assert result.stderr.startswith("This image has no bash, so /bin/sh runs this.")


def test_a_job_that_asks_for_no_bash_hears_nothing_of_it(without_bash: Sandbox) -> None:
    assert without_bash.run(["echo", "ran"]).stderr == ""
    assert without_bash.run(None, files={"main.sh": "#!/bin/sh\necho ran"}).stderr == ""
