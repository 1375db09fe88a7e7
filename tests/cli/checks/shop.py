"""Another Celery app, whose workers take jobs from any queue that is given to them."""

from __future__ import annotations

import os

from celery import Celery

__all__ = ["app"]

app = Celery("shop", broker=os.environ["CELLBLOCK_BROKER_URL"], set_as_current=False)


@app.task(name="shop.send_mail")
def send_mail() -> None:
    """Do nothing."""
