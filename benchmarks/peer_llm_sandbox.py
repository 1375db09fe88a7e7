"""Runs in llm-sandbox's environment. For each line of input: one `echo hi`, and its seconds as JSON.

python peer_llm_sandbox.py IMAGE fresh|reused
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from typing import Any

from llm_sandbox import SandboxSession


def main(image: str, kind: str) -> None:
    """Answer each line until the input ends."""
    shared = session(image) if kind == "reused" else nullcontext()
    with shared as reused:
        for _ in sys.stdin:
            started = time.perf_counter()
            try:
                said = run(reused) if reused else run_fresh(image)
            except Exception as error:  # noqa: BLE001  the table shows every error
                answer: dict[str, object] = {"error": f"{type(error).__name__}: {error}"}
            else:
                answer = {"seconds": time.perf_counter() - started}
                if said != "hi\n":
                    answer = {"error": f"a wrong answer: {said!r}"}
            print(json.dumps(answer), flush=True)


def session(image: str) -> Any:  # noqa: ANN401
    """A session as llm-sandbox's documentation shows it, but without network and installation."""
    return SandboxSession(
        lang="python", image=image, skip_environment_setup=True, runtime_configs={"network_mode": "none"}
    )


def run(opened: Any) -> str:  # noqa: ANN401
    """The output of the command in an open session."""
    return str(opened.execute_command("echo hi").stdout)


def run_fresh(image: str) -> str:
    """The same in a new session."""
    with session(image) as opened:
        return run(opened)


if __name__ == "__main__":
    main(*sys.argv[1:])
