"""Kombu's Redis transport with our channel in it."""

from __future__ import annotations

import logging
from typing import Any

import kombu.transport
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004

from tasks.delivery.channel import Channel, SentinelChannel, channels, stock
from tasks.patience import is_away, refuses_writes
from tasks.redis_rights import require_rights
from tasks.settings import this_settings

__all__ = ["SentinelTransport", "Transport", "install"]

_log = logging.getLogger("cellblock.delivery")

# So many beats must be missed before a consumer counts as gone.
_BEATS = 5


class _Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """Has channels fetch by moves where an event loop runs."""

    loop: Any = None

    def _register_BRPOP(self, channel: Any) -> None:  # noqa: ANN401, N802  kombu's own
        if self.loop is None or not channel.is_acknowledged:
            super()._register_BRPOP(channel)
            return
        try:
            channel.fetch(self.loop)
        except ResponseError as error:
            # The next turn of the loop asks again.
            if not refuses_writes(error):
                raise

    def beat(self) -> None:
        for channel in channels(self):
            try:
                channel.beat()
            except ResponseError as error:
                raise _lost(error) from error
            except Exception as error:
                if not is_away(error):
                    raise
                _log.debug("A consumer could not say that it lives: %s", error)


class Transport(stock.Transport):  # type: ignore[misc]
    """In a worker's event loop it loses no message; anywhere else it is the stock transport."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self.cycle = _Poller()

    def establish_connection(self) -> Any:  # noqa: ANN401
        """Connect to a Redis that takes what is brought to it: whoever meets another waits as for none."""
        established = super().establish_connection()
        try:
            with self._avail_channels[-1].conn_or_acquire() as client:
                require_rights(client, this_settings().queues.split(",")[0])
        except ResponseError as error:
            super().close_connection(self)
            raise _lost(error) from error
        return established

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:  # noqa: ANN401
        """Consume in this loop from now on."""
        self.cycle.loop = loop
        super().register_with_event_loop(connection, loop)
        self.cycle.beats = loop.call_repeatedly(this_settings().margin / _BEATS, self.cycle.beat)

    def close_connection(self, connection: Any) -> None:  # noqa: ANN401
        """Hang up."""
        beats = getattr(self.cycle, "beats", None)
        if beats is not None:
            beats.cancel()
        super().close_connection(connection)


def _lost(error: ResponseError) -> ConnectionError:
    """A Redis that answers so is of no more use than none: whoever hears this connects anew, and waits."""
    return ConnectionError(str(error), status_code=error.status_code)


class SentinelTransport(Transport):
    """The same, for a Redis that Sentinels name."""

    Channel = SentinelChannel
    default_port = stock.SentinelTransport.default_port


_OURS = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport}


def install() -> None:
    """Use it in this process for every address of a Redis."""
    for scheme, transport in _OURS.items():
        kombu.transport.TRANSPORT_ALIASES[scheme] = f"{transport.__module__}:{transport.__name__}"
        # It may have been asked for before.
        vars(kombu.transport)["_transport_cache"].pop(scheme, None)
