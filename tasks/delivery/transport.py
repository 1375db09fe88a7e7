"""Kombu's Redis transport with the channel of this package."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import kombu.transport
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004

from tasks.delivery.channel import Channel, SentinelChannel
from tasks.delivery.stock import stock
from tasks.patience import is_away, refuses_writes
from tasks.redis_rights import require_rights
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SentinelTransport", "Transport", "install"]

_log = logging.getLogger("cellblock.delivery")

# The number of beats that a consumer must miss before it counts as gone.
_BEATS = 5


class _Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """In an event loop, makes channels fetch messages by moving them."""

    loop: Any = None

    def _register_BRPOP(self, channel: Any) -> None:  # noqa: ANN401, N802  kombu's own
        if self.loop is None or not channel.is_acknowledged:
            super()._register_BRPOP(channel)
            return
        with _next_time():
            channel.fetch(self.loop)

    def on_poll_start(self) -> None:
        super().on_poll_start()
        for channel in self._channels:
            with _next_time():
                channel.qos.settle()

    def beat(self) -> None:
        for channel in [one for one in self._channels if one.active_queues]:
            try:
                channel.beat()
            except ResponseError as error:
                raise _lost(error) from error
            except Exception as error:
                if not is_away(error):
                    raise
                _log.debug("A consumer could not report that it is alive: %s", error)


class Transport(stock.Transport):  # type: ignore[misc]
    """In a worker's event loop, this transport loses no message. Elsewhere it is the stock transport."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self.cycle = _Poller()

    def establish_connection(self) -> Any:  # noqa: ANN401
        """Connect, and check that Redis would accept the commands that cellblock needs.

        Raises:
            redis.exceptions.ConnectionError: it would refuse one. The caller waits as if Redis were down.
        """
        established = super().establish_connection()
        try:
            with self._avail_channels[-1].conn_or_acquire() as client:
                require_rights(client, this_settings().queues.split(",")[0])
        except ResponseError as error:
            super().close_connection(self)
            raise _lost(error) from error
        return established

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:  # noqa: ANN401
        """Consume in this event loop from now on, and start the beats."""
        self.cycle.loop = loop
        super().register_with_event_loop(connection, loop)
        self.cycle.beats = loop.call_repeatedly(this_settings().silence / _BEATS, self.cycle.beat)

    def close_connection(self, connection: Any) -> None:  # noqa: ANN401
        """Stop the beats and close the connection."""
        beats = getattr(self.cycle, "beats", None)
        if beats is not None:
            beats.cancel()
        super().close_connection(connection)


@contextmanager
def _next_time() -> Iterator[None]:
    """Leave the block if Redis takes no writes for now: the next iteration of the loop tries again."""
    try:
        yield
    except ResponseError as error:
        if not refuses_writes(error):
            raise


def _lost(error: ResponseError) -> ConnectionError:
    """The refusal as a ConnectionError: the caller then reconnects and waits, as if Redis were down."""
    return ConnectionError(str(error), status_code=error.status_code)


class SentinelTransport(Transport):
    """The same transport, for a Redis whose address comes from Sentinels."""

    Channel = SentinelChannel
    default_port = stock.SentinelTransport.default_port


_OURS = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}


def install() -> None:
    """Use this transport in this process for every Redis address."""
    for scheme, transport in _OURS.items():
        kombu.transport.TRANSPORT_ALIASES[scheme] = f"{transport.__module__}:{transport.__name__}"
        # Kombu may have cached the stock transport.
        vars(kombu.transport)["_transport_cache"].pop(scheme, None)
