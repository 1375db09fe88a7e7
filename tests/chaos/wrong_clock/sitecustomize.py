"""Python's clock, wrong in every program that finds this on its path, and set anew while it runs.

By how many seconds stands in the file CHAOS_CLOCK_FILE. Monotonic clocks stay right, as they do on a machine
whose time is set. libfaketime would be more thorough, but `time.sleep` fails under it since Python 3.11.
"""

import datetime
import os
import time

_FILE = os.environ["CHAOS_CLOCK_FILE"]
_time, _time_ns = time.time, time.time_ns


def _off_s() -> float:
    with open(_FILE) as file:  # noqa: PTH123  a tenth of Path's time, at every look at the clock
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
