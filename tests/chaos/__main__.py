"""The chaos run as a program: `python -m tests.chaos --seed 1 --seed 2 --jobs 500`.

It needs root, because it starts a container engine of its own, or makes cells without one (`--engine oci`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from config import load_settings
from sandbox.engines.docker.client import connect
from tests.chaos.faults import FAULTS, OCI_FAULTS
from tests.chaos.plan import Plan
from tests.chaos.run import run_chaos
from tests.chaos.stage import Stage

_IMAGES = ("cellblock/bash:local", "cellblock/python:local")
_WORKERS = 2


def main() -> int:
    """Run every seed. Returns 0 if all runs are good."""
    options = _options()
    source = connect(load_settings())
    reports = []
    for seed in options.seed or [1]:
        on_oci = options.engine == "oci"
        plan = Plan.of(
            seed,
            options.jobs,
            options.faults,
            workers=_WORKERS,
            mean_gap_s=options.gap,
            python=True,
            kinds=options.only or (OCI_FAULTS if on_oci else FAULTS),
        )
        began = time.monotonic()

        def say(text: str, began: float = began) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

        with Stage(
            _IMAGES,
            source,
            workers=_WORKERS,
            fsync=options.fsync,
            # Workers of one host share its clock.
            clock_off_s=0 if on_oci else options.clock,
            oci_runtime=options.oci_runtime if on_oci else None,
        ) as stage:
            reports.append(run_chaos(plan, stage, options.settle, say))
            if options.logs:
                stage.keep_logs(options.logs / str(seed))
        print(reports[-1], flush=True)
    source.close()
    if options.json:
        options.json.write_text(json.dumps([report.to_dict() for report in reports], indent=1) + "\n")
    return 0 if all(report.is_good for report in reports) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="what to strike and when; may be repeated")
    parser.add_argument("--engine", choices=["docker", "oci"], default="docker")
    parser.add_argument("--oci-runtime", choices=["crun", "runc"], default="crun", help="of the engine oci")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=65)
    parser.add_argument("--gap", type=float, default=5.0, help="seconds from a fault to the next, on average")
    parser.add_argument(
        "--only", action="append", choices=FAULTS | OCI_FAULTS, help="a kind of fault; may be repeated"
    )
    parser.add_argument("--settle", type=float, default=150.0, help="seconds for what is left in the end")
    parser.add_argument("--clock", type=int, default=-60, help="seconds by which one worker's clock is off")
    parser.add_argument("--fsync", choices=["always", "everysec"], default="always", help="of Redis")
    parser.add_argument("--json", type=Path, help="a file for the report")
    parser.add_argument("--logs", type=Path, help="a folder for what the workers and servers logged")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
