"""Gives a wrong clock to every Python program that has this folder on its path.

The file CHAOS_CLOCK_FILE says how many seconds the clock is off; it is read at every call. Monotonic clocks
stay right, as on a machine whose clock is set. libfaketime would change more clocks, but with it `time.sleep`
fails since Python 3.11.
"""

import datetime
import os
import time

_FILE = os.environ["CHAOS_CLOCK_FILE"]
_time, _time_ns = time.time, time.time_ns


def _off_s() -> float:
    with open(_FILE) as file:  # noqa: PTH123  ten times as fast as Path, and called for every time
        return float(file.read() or 0)


class _Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Wrong":
        return super().now(tz) + datetime.timedelta(seconds=_off_s())

    @classmethod
    def utcnow(cls) -> "_Wrong":
        return super().utcnow() + datetime.timedelta(seconds=_off_s())


time.time = lambda: _time() + _off_s()
time.time_ns = lambda: _time_ns() + int(_off_s() * 1e9)
datetime.datetime = _Wrong  # type: ignore[misc]
