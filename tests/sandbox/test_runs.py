"""Jobs with several runs on each engine: one program, a fresh cell for each run, and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from sandbox.result import Limit, RunVerdict

if TYPE_CHECKING:
    from sandbox import Sandbox

ADD = '#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << "\\n"; }'
HOSTILE = """
case $1 in
  bomb) tail /dev/zero ;;
  flood) cat /dev/zero ;;
  endless) while :; do :; done ;;
  *) echo right ;;
esac
"""


def test_a_run_gets_its_input_arguments_variables_and_files(anywhere: Sandbox) -> None:
    result = anywhere.run(
        'cat; echo " $1 $A"; cat f g',
        "bash",
        files={"f": "job", "g": "job"},
        stdin="job",
        env={"A": "job"},
        runs=[{}, {"stdin": "own", "args": ["an arg"], "env": {"A": "own"}, "files": {"g": "own"}}],
    )

    assert [one.stdout for one in result.runs] == ["job  job\njobjob", "own an arg own\njobown"]


def test_no_run_sees_what_another_left(anywhere: Sandbox) -> None:
    result = anywhere.run("ls; touch left", "bash", runs=[{"expected": ""}] * 3, cpus=1)

    assert result.verdict is RunVerdict.ACCEPTED


def test_one_that_bombs_floods_or_never_ends_leaves_the_others_untouched(anywhere: Sandbox) -> None:
    names = ["a", "flood", "b", "endless", "c"] if anywhere.settings.engine_name == "host" else None
    names = names or ["a", "bomb", "b", "flood", "c", "endless", "d"]
    result = anywhere.run(
        HOSTILE,
        "bash",
        runs=[{"name": name, "args": [name], "expected": "right"} for name in names],
        timeout=1,
        grace=0,
        memory="64m",
        output_limit="1k",
    )
    bad = {one.name: one.limit for one in result.runs if one.verdict is not RunVerdict.ACCEPTED}

    limits = {"bomb": Limit.MEMORY, "flood": Limit.OUTPUT, "endless": Limit.TIMEOUT}
    assert bad == {name: limit for name, limit in limits.items() if name in names}


@pytest.mark.engine
def test_a_program_is_compiled_once_for_all_runs(sandbox: Sandbox) -> None:
    result = sandbox.run(
        None,
        "cpp",
        files={"add.cpp": ADD},
        runs=[{"stdin": f"{one} {one}", "expected": str(2 * one)} for one in range(8)],
    )

    assert (result.status, result.verdict, len(result.runs)) == (Status.SUCCEEDED, RunVerdict.ACCEPTED, 8)
    assert result.compile_seconds


@pytest.mark.engine
def test_a_program_that_does_not_compile_has_no_runs(sandbox: Sandbox) -> None:
    result = sandbox.run(None, "cpp", files={"a.cpp": "int main( {"}, runs=[{}, {}])

    assert (result.stage, result.status, result.runs) == ("compile", Status.FAILED, [])


@pytest.mark.engine
def test_a_run_has_limits_of_its_own(sandbox: Sandbox) -> None:
    result = sandbox.run(
        "sleep 1; while :; do :; done",
        "bash",
        runs=[{"timeout": 0.3}, {"cpu_time": 0.2}],
        grace=0,
        timeout=20,
    )

    assert [one.limit for one in result.runs] == [Limit.TIMEOUT, Limit.CPU_TIME]
