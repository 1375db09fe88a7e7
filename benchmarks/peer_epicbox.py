"""Runs in epicbox's environment. For each line of input: one `echo hi`, and its seconds as JSON."""

from __future__ import annotations

import json
import sys
import time

import epicbox


def main(image: str) -> None:
    """Answer each line until the input ends."""
    epicbox.configure(profiles=[epicbox.Profile("bench", image)])
    limits = {"cputime": 5, "realtime": 10, "memory": 64}
    for _ in sys.stdin:
        started = time.perf_counter()
        try:
            result = epicbox.run("bench", "echo hi", limits=limits)
        except Exception as error:  # noqa: BLE001  the table shows every error
            answer: dict[str, object] = {"error": f"{type(error).__name__}: {error}"}
        else:
            answer = {"seconds": time.perf_counter() - started}
            if result["stdout"] != b"hi\n":
                answer = {"error": f"a wrong answer: {result}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
