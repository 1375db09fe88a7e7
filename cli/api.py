"""`cellblock api`: the HTTP API."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from cli.checks.requirements import require_broker
from config import InvalidSetting, load_settings

__all__ = ["api"]


def api(
    host: Annotated[
        str, typer.Option(help="The address to listen on; other than the loopback only with tokens.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0: any that is free.")
    ] = 8000,
) -> None:
    """Serve the HTTP API, which needs the extra `cellblock[api]`. Ends on SIGTERM, with its streams.

    CELLBLOCK_API_TOKENS_FILE names the file of tokens: a line for each, the token and then its tenant.

    Example: cellblock api --port 8000
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise InvalidSetting("`cellblock api` needs FastAPI and uvicorn. Try: pip install 'cellblock[api]'")
    require_broker(load_settings())
    from api.server import serve

    serve(host, port)
