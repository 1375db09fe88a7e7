"""The grader of `examples`, on programs that are right, wrong, too slow, and no programs at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.oci_store import shared_store
from tests.programs import ROOT

if TYPE_CHECKING:
    import docker

    from tests.programs import Worker

PAGE = ROOT / "docs/how-to/grade-homework.md"


def test_it_prints_what_the_page_shows(worker: Worker, engine: docker.APIClient) -> None:
    shared_store(engine, ["cpp"])
    command, shown = re.findall(r"```text\n\$ python (.*?)\n(.*?)```", PAGE.read_text(), re.DOTALL)[-1]
    env = os.environ | {
        "PYTHONPATH": str(ROOT / "client/src"),
        "CELLBLOCK_BROKER_URL": worker.broker_url,
    }
    words = ["/bin/sh", "-c", f"{sys.executable} {command}"]
    printed = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert printed.stderr == ""
    assert printed.stdout == shown
