"""The names and weights of tenants."""

from __future__ import annotations

import math
import re

__all__ = ["is_tenant", "parse_weights"]

_TENANT = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_LARGEST = 1000.0


def is_tenant(name: object) -> bool:
    """Whether this may be a tenant's name: 1 to 64 of the characters `A-Za-z0-9._@-`."""
    return isinstance(name, str) and bool(_TENANT.fullmatch(name))


def parse_weights(text: str) -> dict[str, float]:
    """The weights in a text such as `alice=3,bob=0.5`.

    Raises:
        ValueError: the text is malformed, names a tenant twice, or a weight is not from 0.001 to 1000.
    """
    weights: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.strip().partition("=")
        if not is_tenant(name) or name in weights:
            raise ValueError(
                "give each tenant once, such as alice=3,bob=1; a name has 1 to 64 of A-Za-z0-9._@-"
            )
        weights[name] = _weight(number)
    return weights


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 1 / _LARGEST <= weight <= _LARGEST:
        raise ValueError(f"give a weight from {1 / _LARGEST:g} to {_LARGEST:g}, such as alice=3")
    return weight
