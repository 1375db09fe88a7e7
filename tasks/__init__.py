"""The Celery application and its one task.

Importing it is cheap: it contacts no engine, opens no connection and reads no settings. `follow` and
`follow_async` read the output of a running job. They are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks._app import app
from tasks.cancel import cancel
from tasks.run import run_sandboxed

if TYPE_CHECKING:
    from sandbox.errors import BrokerUnreachable
    from tasks.live import follow, follow_async

__all__ = ["BrokerUnreachable", "app", "cancel", "follow", "follow_async", "run_sandboxed"]


# What is imported when it is first used, and from where.
_LATER = {"BrokerUnreachable": "sandbox.errors", "follow": "tasks.live", "follow_async": "tasks.live"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
