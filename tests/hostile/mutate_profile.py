"""Weakens the lines of the profile one by one, and shows the tests that fail. Exits with 1 if none does.

python -m tests.hostile.mutate_profile [MUTANT]
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.engines.docker import create_call
from tests.hostile.mutants import EXEMPT, MUTANTS
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.mutants import Body, Mutant

_TIMEOUT_S = 60
_TESTS_FAILED = 1


@dataclass
class Failures:
    """A pytest plugin that records the failed tests."""

    names: list[str]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failure of a test or its fixtures, except that the engine has refused the mutant."""
        if report.failed and "SandboxUnavailable" not in report.longreprtext:
            self.names.append(report.nodeid.rpartition("::")[2])


def main() -> int:
    """Run one mutant in this process, or each mutant in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(failures_under(MUTANTS[sys.argv[1]])))
        return 0
    began, survivors = time.monotonic(), uncovered()
    for line in survivors:
        print(f"{line:32} is neither mutated nor exempt")
    for name, mutant in MUTANTS.items():
        caught = failures_in_a_process(name)
        print(f"{name:32} {caught[0] if caught else 'SURVIVES ' + mutant.test}", flush=True)
        survivors += [] if caught else [name]
    print(f"{len(MUTANTS)} mutants, {len(survivors)} not caught, {time.monotonic() - began:.0f} s")
    return bool(survivors)


def failures_in_a_process(name: str) -> list[str]:
    """The tests that fail with this mutant. A test that hangs counts as failed."""
    command = [sys.executable, "-m", "tests.hostile.mutate_profile", name]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired:
        return [f"{MUTANTS[name].test} hangs"]
    names: list[str] = json.loads(done.stdout)
    return names


def failures_under(mutant: Mutant) -> list[str]:
    """Run the mutant's test with the changed profile. Returns the failed tests."""
    setattr(create_call, "container_config", mutated(create_call.container_config, mutant.weaken))  # noqa: B010
    failures = Failures([])
    with redirect_stdout(io.StringIO()):
        # A test without a case named runs on every engine, but the mutants are Docker's.
        options = ["-q", "-x", "-p", "no:randomly", "-k", "docker"]
        code = pytest.main([*options, str(ROOT / mutant.test)], plugins=[failures])
    if code not in (0, _TESTS_FAILED):
        sys.exit(f"pytest could not run {mutant.test}: {code}")
    return failures.names


def mutated(hardened: Callable[..., Body], weaken: Callable[[Body], object]) -> Callable[..., Body]:
    """A profile that `weaken` changes after it is made."""

    def weakened(**about: Any) -> Body:
        body = hardened(**about)
        weaken(body)
        return body

    return weakened


def uncovered() -> list[str]:
    """The keys of the profile that are in no mutant and are not exempt."""
    body = create_call.container_config(image="", limits=profile_limits(), labels={}, env={})
    touched = EXEMPT | {word for mutant in MUTANTS.values() for word in mutant.lines}
    ulimits = {limit["Name"] for limit in body["HostConfig"]["Ulimits"]}
    return sorted((set(body) | set(body["HostConfig"]) | ulimits) - touched)


def profile_limits() -> Any:
    """Limits with any values: only the keys of the profile count."""
    from config import load_catalogue, load_settings
    from sandbox.limits import resolve_limits

    return resolve_limits({}, load_catalogue()["bash"].limits, load_settings())


if __name__ == "__main__":
    sys.exit(main())
