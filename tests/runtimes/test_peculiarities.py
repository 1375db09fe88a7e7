"""Settings of the catalogue that single languages need."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.runtimes.conftest import Start

pytestmark = pytest.mark.engine

ENVIRONMENT = 'echo "$HOME $LANG $TZ $(date +%Z)"; touch "$HOME/x" && pwd'
SHARED = """
from multiprocessing import Pool, Value
if __name__ == "__main__":
    total = Value("i", 40)
    with Pool(4) as pool:
        total.value += sum(pool.map(abs, [-1, 1]))
    print(total.value)
"""


def test_home_language_and_time_zone_are_the_same_everywhere(sandbox: Sandbox, runtime: str) -> None:
    assert sandbox.run(ENVIRONMENT, runtime).stdout == "/workspace C.UTF-8 UTC UTC\n/workspace\n"


def test_what_is_installed_for_the_user_starts_and_what_is_only_cached_does_not_come_back(
    sandbox: Sandbox, runtime: str
) -> None:
    cached = 'mkdir "$XDG_CACHE_HOME" && touch "$XDG_CACHE_HOME/x"'
    script = f"mkdir ~/bin && cp /bin/true ~/bin && ~/bin/true && {cached}"
    result = sandbox.run(script, runtime, artifacts=["**"])
    assert (result.status, set(result.artifacts)) == (Status.SUCCEEDED, {"bin/true"})


def test_python_shares_memory_between_processes(sandbox: Sandbox) -> None:
    result = sandbox.run(None, files={"main.py": SHARED})
    assert (result.stdout, result.stderr) == ("42\n", "")


def test_python_flushes_what_it_prints_before_a_deadline(sandbox: Sandbox) -> None:
    endless = "print('so far')\nwhile True: pass\n"
    result = sandbox.run(None, files={"main.py": endless}, timeout=1, grace=0.2)
    assert (result.status, result.stdout) == (Status.TIMED_OUT, "so far\n")


@pytest.mark.parametrize("runtime", ["java", "node", "dotnet"], indirect=True)
def test_a_heap_may_fill_most_of_the_cell(start: Start) -> None:
    result = start("memory", memory="256m", timeout=60)
    assert result.status is Status.OUT_OF_MEMORY
    assert result.memory_peak is None or result.memory_peak > 190 << 20


@pytest.mark.parametrize("runtime", ["java", "node", "dotnet"], indirect=True)
def test_hello_fits_into_a_small_cell(start: Start) -> None:
    result = start("hello", memory="96m", pids=40)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "hello\n")


@pytest.mark.parametrize("runtime", ["dotnet"], indirect=True)
def test_dotnet_leaves_nothing_in_the_workspace(start: Start) -> None:
    result = start("hello", artifacts=["**"])
    assert set(result.artifacts) == {"main.dll", "main.runtimeconfig.json"}


@pytest.mark.parametrize("runtime", ["node"], indirect=True)
def test_node_starts_what_the_package_says(sandbox: Sandbox, runtime: str) -> None:
    package = json.dumps({"main": "lib/start.js"})
    files = {"package.json": package, "lib/start.js": "console.log('found')", "lib/other.js": ""}
    result = sandbox.run(None, files=files)
    assert (result.runtime, result.stdout, result.stderr) == (runtime, "found\n", "")


def test_a_program_with_odd_bytes_arrives_as_it_is(sandbox: Sandbox) -> None:
    latin = {"base64": base64.b64encode("# coding: latin-1\nprint('é')\n".encode("latin-1")).decode()}
    assert sandbox.run(None, files={"main.py": latin}).stdout == "é\n"
