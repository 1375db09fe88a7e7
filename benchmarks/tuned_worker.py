"""Starts a worker with some of Celery's settings changed.

python -m benchmarks.tuned_worker JSON OPTIONS…
"""

from __future__ import annotations

import json
import sys

from tasks import app


def main() -> None:
    """Start the worker in this process."""
    changes, *options = sys.argv[1:]
    app.conf.update(json.loads(changes))
    app.worker_main(["worker", "--loglevel=INFO", *options])


if __name__ == "__main__":
    main()
