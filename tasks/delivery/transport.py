"""Kombu's Redis transport with our channel in it."""

from __future__ import annotations

import logging
from typing import Any

import kombu.transport

from tasks.delivery.channel import Channel, channels, stock
from tasks.settings import this_settings

__all__ = ["Transport", "install"]

_log = logging.getLogger("cellblock.delivery")

# So many beats must be missed before a consumer counts as gone.
_BEATS = 5


class _Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """Has channels fetch by moves where an event loop runs."""

    loop: Any = None

    def _register_BRPOP(self, channel: Any) -> None:  # noqa: ANN401, N802  kombu's own
        if self.loop is None or not channel.is_acknowledged:
            super()._register_BRPOP(channel)
        else:
            channel.fetch(self.loop)

    def beat(self) -> None:
        for channel in channels(self):
            try:
                channel.beat()
            except channel.connection_errors as error:
                _log.debug("A consumer could not say that it lives: %s", error)


class Transport(stock.Transport):  # type: ignore[misc]
    """In a worker's event loop it loses no message; anywhere else it is the stock transport."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self.cycle = _Poller()

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


def install() -> None:
    """Use it in this process for every `redis://` and `rediss://` address."""
    for scheme in ("redis", "rediss"):
        kombu.transport.TRANSPORT_ALIASES[scheme] = f"{Transport.__module__}:{Transport.__name__}"
        # It may have been asked for before.
        vars(kombu.transport)["_transport_cache"].pop(scheme, None)
