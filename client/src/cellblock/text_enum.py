"""`enum.StrEnum`, which Python 3.10 does not have."""

from __future__ import annotations

import sys
from enum import Enum

__all__ = ["StrEnum"]

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:

    class StrEnum(str, Enum):
        """Members that are texts, and are shown as such."""

        __str__ = str.__str__
