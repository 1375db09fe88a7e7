"""How much access to the engine the worker has, and everybody else on the host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from cli.checks.engine import about_engine, engine_client, security_of
from cli.checks.finding import ok, problem, warning
from config import load_settings
from sandbox.engines.docker.client import docker_address, mapped_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["socket"]


def socket() -> Iterator[Finding]:
    """A proxy filters the worker's requests to the engine, or the engine's root has no rights on the host."""
    address = docker_address(load_settings())
    raw = _is_raw()
    path = Path(address.partition("://")[2])
    if raw and address.startswith("unix://") and path.stat().st_mode & 0o002:
        yield problem(f"every user of this host may use {path}, and so be root", f"sudo chmod 660 {path}")
    if not raw:
        yield ok(f"{address} is filtered by a proxy")
    elif security_of(about_engine()) & {"rootless", "userns"}:
        yield ok(f"{address} is the engine's own, but root in it is nobody on the host")
    else:
        yield warning(
            f"{address} is the engine's own, unfiltered: whoever takes over the worker owns the host",
            "put `cellblock guard` between, as compose.yaml does; or run the engine rootless",
        )


def _is_raw() -> bool:
    """Whether the engine answers a request that no worker makes. A proxy that filters refuses it."""
    with engine_client() as client, mapped_errors("list its plugins"):
        try:
            client.plugins()  # type: ignore[no-untyped-call]
        except docker.errors.APIError as error:
            if error.is_client_error():
                return False
            raise
    return True
