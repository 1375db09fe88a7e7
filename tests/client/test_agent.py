"""The examples of an agent in a workspace, on a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from tests.programs import Worker

AGENT = """\
$ git init -q && git add . && git -c user.name=agent -c user.email=agent@localhost commit -qm 'As it was'
$ python3 test_prices.py
Traceback (most recent call last):
  File "/workspace/test_prices.py", line 3, in <module>
    assert total([1, 2]) == 3, total([1, 2])
           ^^^^^^^^^^^^^^^^^^
AssertionError: 2
(exit code 1)
$ sed -i 's/prices\\[1:\\]/prices/' prices.py
$ python3 test_prices.py
ok
$ git diff --stat
 prices.py | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)
"""
SESSION = """\
>>> numbers = [3, 1, 2]
>>> numbers.sort()
open('sorted', 'w').write(str(numbers))
9
>>> numbers, open('sorted').read()
([1, 2, 3], '[1, 2, 3]')
"""


@pytest.mark.parametrize(("name", "said"), [("agent", AGENT), ("session", SESSION)])
def test_each_command_finds_what_those_before_it_have_left(worker: Worker, name: str, said: str) -> None:
    env = os.environ | {
        "PYTHONPATH": str(ROOT / "client" / "src"),
        "CELLBLOCK_BROKER_URL": worker.broker_url,
    }
    command = [sys.executable, f"examples/agent/{name}.py"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == (said, "")
