"""Python's clock, wrong by CHAOS_CLOCK_OFF_S seconds in every program that finds this on its path.

Monotonic clocks stay right, as they do on a machine whose time was set wrongly. libfaketime would be more
thorough, but `time.sleep` fails under it since Python 3.11.
"""

import datetime
import os
import time

_OFF_S = float(os.environ["CHAOS_CLOCK_OFF_S"])
_time, _time_ns = time.time, time.time_ns


class _Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Wrong":
        return super().now(tz) + datetime.timedelta(seconds=_OFF_S)

    @classmethod
    def utcnow(cls) -> "_Wrong":
        return super().utcnow() + datetime.timedelta(seconds=_OFF_S)


time.time = lambda: _time() + _OFF_S
time.time_ns = lambda: _time_ns() + int(_OFF_S * 1e9)
datetime.datetime = _Wrong  # type: ignore[misc]
