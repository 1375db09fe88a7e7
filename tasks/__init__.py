"""The Celery application and its one task. Importing it is cheap: no engine, no connection, no settings."""

from tasks._app import app
from tasks.cancel import cancel
from tasks.run import run_sandboxed

__all__ = ["app", "cancel", "run_sandboxed"]
