"""Measures one program with many inputs: one compile and a cell for each run, against the bare host."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.surroundings import BenchError
from sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_runs"]

_PROGRAM = """
#include <iostream>
#include <vector>
int main() {
    long count, sum = 0;
    std::cin >> count;
    std::vector<long> numbers(count);
    for (long at = 0; at < count; at++) numbers[at] = at * 7919 % count;
    for (int round = 0; round < 20; round++)
        for (long number : numbers) sum += number ^ round;
    std::cout << sum << "\\n";
}
"""
_INPUTS = [f"{100_000 + 1000 * number}\n" for number in range(20)]
_COMPILE = ["g++", "-O2", "-pthread", "-o", "program", "main.cpp"]


def measure_runs(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Time a C++ program with 20 inputs, on the host one after the other, and as one job on crun, in turn."""
    if shutil.which(_COMPILE[0]) is None:
        raise BenchError("There is no g++ on this host. Try: apt-get install g++")
    host, cells = [], []
    with Sandbox(around.settings("runs", **around.oci.settings("crun"))) as sandbox:
        for number in range(-1, 2 * scale.slow_rounds):
            say(f"runs: round {max(number, 0) + 1} of {2 * scale.slow_rounds}")
            times = _on_host(), _in_cells(sandbox)
            if number >= 0:
                host.append(times[0])
                cells.append(times[1])
    on_host, in_cells = statistics.median(host), statistics.median(cells)
    rows = [
        ("compile and 20 runs on the host, one after the other", f"{on_host:.2f} s", ""),
        ("one job with `runs`, crun", f"{in_cells:.2f} s", f"{in_cells / on_host:.2f}"),
    ]
    raw = {"host_s": host, "cells_s": cells}
    return Finding("runs", "One program, 20 inputs", ("what", "median", "times the host"), rows, raw)


def _on_host() -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.cpp").write_text(_PROGRAM)
        started = time.perf_counter()
        subprocess.run(_COMPILE, cwd=folder, check=True)
        for text in _INPUTS:
            subprocess.run(["./program"], cwd=folder, input=text.encode(), capture_output=True, check=True)
        return time.perf_counter() - started


def _in_cells(sandbox: Sandbox) -> float:
    started = time.perf_counter()
    runs = [{"stdin": text} for text in _INPUTS]
    result = sandbox.run(None, "cpp", files={"main.cpp": _PROGRAM}, runs=runs)
    if result.status != "succeeded":
        raise BenchError(f"A job ended wrong: {result.status}")
    return time.perf_counter() - started
