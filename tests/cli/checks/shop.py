"""Somebody else's Celery app, whose workers take from whatever queue they are told."""

from __future__ import annotations

import os

from celery import Celery

__all__ = ["app"]

app = Celery("shop", broker=os.environ["CELLBLOCK_BROKER_URL"], set_as_current=False)


@app.task(name="shop.send_mail")
def send_mail() -> None:
    """Do nothing."""
