"""Enqueues jobs from an app that has only Celery installed, and knows the task by its name.

    echo '[["echo hello", "bash"]]' | python examples/by_name.py redis://localhost:6379/0

Reads a JSON list of [cmd, runtime] or [cmd, runtime, {options}] and prints the id of each job.
"""

import json
import sys

from celery import Celery

app = Celery(broker=sys.argv[1], backend=sys.argv[1])
run_sandboxed = app.signature("cellblock.run_sandboxed", queue="cellblock")

for cmd, runtime, *options in json.load(sys.stdin):
    print(run_sandboxed.clone(kwargs=options[0] if options else {}).delay(cmd, runtime).id)
