"""How long a caller waits for a broker or a Redis that does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cellblock.errors import BrokerUnreachable
from cellblock.shared.redis_errors import explain_redis, passes

if TYPE_CHECKING:
    from cellblock.shared.address import Address

__all__ = ["Outage"]

_PAUSE_S = 0.1


class Outage:
    """One caller's view of a server: since when it has been away. Does no I/O."""

    def __init__(self, address: Address, patience_s: float, variable: str) -> None:
        self._address = address
        self._patience_s = patience_s
        self._variable = variable
        self._since_s: float | None = None

    def over(self) -> None:
        """Note that the server answers."""
        self._since_s = None

    def pause_s(self, error: BaseException) -> float:
        """Note that the server does not answer, and return the seconds to the next try.

        Raises:
            BrokerUnreachable: another try would not help, or the server has been away for too long.
        """
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        if not passes(error) or now_s - self._since_s >= self._patience_s:
            raise BrokerUnreachable(explain_redis(error, self._address, self._variable)) from error
        return _PAUSE_S
