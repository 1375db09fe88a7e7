"""Runs the benchmarks and shows the results.

python -m benchmarks [WHAT…] [--full | --quick] [--no-publish]
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from benchmarks.burst import measure_burst
from benchmarks.celery_settings import measure_celery_settings
from benchmarks.contenders import Workers
from benchmarks.finding import Finding
from benchmarks.footprint import measure_footprint
from benchmarks.growth import measure_growth
from benchmarks.hello import measure_hello
from benchmarks.latency import measure_latency
from benchmarks.live import measure_live
from benchmarks.machine import describe_machine, machine_sentence
from benchmarks.neighbour import measure_neighbour
from benchmarks.peers import cache_folder
from benchmarks.queue_cost import measure_queue_cost
from benchmarks.report import publish, save, show
from benchmarks.runs import measure_runs
from benchmarks.scale import DEFAULT, FULL, QUICK, Scale
from benchmarks.stress import measure_stress
from benchmarks.surroundings import BenchError, Surroundings
from benchmarks.tenants import measure_tenants
from benchmarks.throughput import measure_throughput
from benchmarks.workspace import measure_workspace
from sandbox import SandboxUnavailable

_Found = Finding | list[Finding]
_SHARED: dict[str, Callable[[Surroundings, Workers, Scale, Callable[[str], None]], _Found]] = {
    "latency": measure_latency,
    "burst": measure_burst,
    "throughput": measure_throughput,
    "growth": measure_growth,
}
_ALONE: dict[str, Callable[[Surroundings, Scale, Callable[[str], None]], _Found]] = {
    "hello": measure_hello,
    "queue": measure_queue_cost,
    "tenants": measure_tenants,
    "celery-settings": measure_celery_settings,
    "footprint": measure_footprint,
}
# These take too long to be part of a run without arguments.
_ASKED: dict[str, Callable[[Surroundings, Scale, Callable[[str], None]], _Found]] = {
    "live": measure_live,
    "stress": measure_stress,
    "neighbour": measure_neighbour,
    "runs": measure_runs,
    "workspace": measure_workspace,
}
_WARM_CELLS = 20
_PROCESSES = 8


def main() -> int:
    """Run the chosen benchmarks, or the default ones if none is chosen."""
    options = _options()
    scale = FULL if options.full else QUICK if options.quick else DEFAULT
    console, started = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    # SIGTERM becomes an exception, so that everything that this run started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Surroundings() as around:
            about = describe_machine(around.engine)
            console.print(machine_sentence(about), style="dim")
            findings = _measure(around, scale, options.what or [*_SHARED, *_ALONE], console)
    except KeyboardInterrupt:
        return 130
    except (BenchError, SandboxUnavailable) as error:
        console.print(f"benchmarks: {error}", style="red")
        return 1
    stem = "-".join(["results", *options.what])
    save(cache_folder(), stem, about, findings)
    if not options.no_publish:
        publish(about, findings)
    console.print(f"{time.monotonic() - started:.0f} s. The numbers are in {cache_folder() / stem}.json")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*_SHARED, *_ALONE, *_ASKED, []],
        metavar="WHAT",
        help=f"all but {', '.join(_ASKED)}, if not given",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="longer, for figures that are to be shown")
    size.add_argument("--quick", action="store_true", help="just enough to see that it works")
    parser.add_argument("--no-publish", action="store_true", help="leave pages and figures as they are")
    return parser.parse_args()


def _measure(around: Surroundings, scale: Scale, what: list[str], console: Console) -> list[Finding]:
    """First the benchmarks that share workers. Then the ones that need a quiet machine, without workers."""
    findings: list[Finding] = []
    with console.status("starting") as status:
        say: Callable[[str], None] = status.update
        if shared := [name for name in _SHARED if name in what]:
            with _workers(around, say) as workers:
                for name in shared:
                    findings += _shown(console, _SHARED[name](around, workers, scale, say))
        alone = _ALONE | _ASKED
        for name in [name for name in alone if name in what]:
            findings += _shown(console, alone[name](around, scale, say))
    return findings


def _shown(console: Console, found: _Found) -> list[Finding]:
    findings = found if isinstance(found, list) else [found]
    for finding in findings:
        show(console, finding)
    return findings


@contextmanager
def _workers(around: Surroundings, say: Callable[[str], None]) -> Iterator[Workers]:
    say("starting workers")
    eight, pool = f"--concurrency={_PROCESSES}", f"0,bash={_WARM_CELLS}"
    with (
        around.worker("warm", eight, CELLBLOCK_WARM=pool) as warm,
        around.worker("cold", eight) as cold,
        around.worker("host", "--concurrency=2", ENABLE_DOCKER="false") as host,
        around.worker("crun-warm", eight, oci_runtime="crun", CELLBLOCK_WARM=pool) as crun_warm,
        around.worker("crun-cold", eight, oci_runtime="crun") as crun_cold,
    ):
        yield Workers(warm, cold, host, crun_warm, crun_cold, _WARM_CELLS)


if __name__ == "__main__":
    sys.exit(main())
