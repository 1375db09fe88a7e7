"""The Celery application."""

from __future__ import annotations

from typing import Any

from celery import Celery

__all__ = ["app"]

app = Celery(
    "cellblock",
    include=[
        "tasks.worker",
        "tasks.control",
        "tasks.roster_worker",
        "tasks.live.switch",
        "tasks.logs",
        "tasks.metering",
        "tasks.pulse",
        "tasks.traces",
        "tasks.result_json",
    ],
)


def _configuration() -> dict[str, Any]:
    """Read when Celery first needs it, so that an import reads no environment and can't fail on it."""
    from config import load_settings
    from config.celery_conf import celery_config

    return celery_config(load_settings())


app.add_defaults(_configuration)
