"""The programs on the how-to page about live output work as they are printed there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from tests.programs import Worker

PAGE = ROOT / "docs" / "how-to" / "follow-a-job.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=["sync", "asyncio"])
def test_a_program_of_the_page_sees_the_whole_job(program: str, worker: Worker) -> None:
    env = os.environ | {"CELLBLOCK_BROKER_URL": worker.broker_url, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert [shown[0], shown[-1]] == ["start b'1'", "end b'succeeded'"]
    assert [line.split()[1] for line in shown[1:-1]] == [r"b'one\n'", r"b'two\n'"]
