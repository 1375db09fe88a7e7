"""Where the broker and the results are: as given, or from the environment, as a worker reads it."""

from __future__ import annotations

import os
from pathlib import Path

from cellblock.shared.address import Address
from cellblock.shared.address_text import parse_address

__all__ = ["addresses"]

_DEFAULT = "redis://localhost:6379/0"


def addresses(broker_url: str | None, backend_url: str | None) -> tuple[Address, Address]:
    """The addresses of the broker and of the results, which are at the broker if nothing else is said.

    Raises:
        ValueError: an address can't be used. The message says why, without a password.
    """
    if broker_url is None:
        broker_url = _from_environment("CELLBLOCK_BROKER_URL") or _DEFAULT
        backend_url = backend_url or _from_environment("CELLBLOCK_RESULT_BACKEND")
    broker = _parsed("broker_url", broker_url)
    backend = _parsed("backend_url", backend_url) if backend_url else broker
    if not backend.is_redis:
        raise ValueError("backend_url: results are read from a Redis. Try: redis://localhost:6379/0.")
    return broker, backend


def _from_environment(variable: str) -> str | None:
    """The value of a variable, or the content of the file that `<variable>_FILE` names."""
    if path := os.environ.get(f"{variable}_FILE"):
        return Path(path).read_text().strip()
    return os.environ.get(variable)


def _parsed(name: str, text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}.") from None
