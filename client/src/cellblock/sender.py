"""Publishes jobs by a Celery app of its own, which the app around it never sees."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery import Celery
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers
from redis.exceptions import RedisError

from cellblock.errors import BrokerUnreachable
from cellblock.outage import Outage
from cellblock.shared.headers import TASK

if TYPE_CHECKING:
    from cellblock.shared.address import Address

__all__ = ["Sender"]

_ERRORS = (OperationalError, RedisError, OSError)
# As in the workers' configuration: Redis has a list for each of these.
_PRIORITIES = list(range(10))


class _App(Celery):
    # Results are read without Celery. Its argument `backend` would give way to CELERY_RESULT_BACKEND.
    backend_cls = "disabled"


class Sender:
    """Sends jobs to one broker. May be used by several threads."""

    def __init__(self, broker: Address, within_s: float) -> None:
        self._broker = broker
        self._within_s = within_s
        # These arguments keep it apart from other apps and from the environment.
        self._app = _App(
            "cellblock-client",
            broker=broker.celery_url,
            loader="celery.loaders.app:AppLoader",
            set_as_current=False,
            fixups=[],
        )
        self._app.conf.update(task_serializer="json", broker_use_ssl=broker.tls and broker.tls.options())

    def send(self, args: list[Any], kwargs: dict[str, Any], **options: Any) -> None:  # noqa: ANN401  Celery's
        """Publish a job with these options of Celery's `send_task`. Their `task_id` makes repetition safe.

        Raises:
            BrokerUnreachable: it could not be sent in time.
        """
        outage = Outage(self._broker, self._within_s, "CELLBLOCK_BROKER_URL")
        while True:
            try:
                self._try(args, kwargs, options)
            except _ERRORS as error:
                time.sleep(outage.pause_s(error))
            except LimitExceeded as error:
                raise BrokerUnreachable(
                    "All connections of this process to the broker are in use, and none is done."
                    " Try: fewer threads that send, or see why the broker is slow."
                ) from error
            else:
                return

    def _try(self, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> None:
        # The address is given again, since CELERY_BROKER_URL takes the place of the app's own.
        connection = self._app.connection_for_write(
            self._broker.celery_url,
            connect_timeout=self._within_s,
            transport_options=self._transport_options(),
        )
        with producers[connection].acquire(block=True, timeout=self._within_s) as producer:
            # The job is no child of a task that runs in this process.
            self._app.send_task(
                TASK, args, kwargs, producer=producer, retry=False, add_to_parent=False, **options
            )

    def _transport_options(self) -> dict[str, Any]:
        if not self._broker.is_redis:
            return {}
        timeouts = {"socket_timeout": self._within_s, "socket_connect_timeout": self._within_s}
        return {
            "priority_steps": _PRIORITIES,
            "max_retries": 0,
            "retry_on_timeout": False,
            **timeouts,
            **self._broker.sentinel_options(**timeouts),
        }
