"""The playground: a page at `/` that runs code and shows its output as it comes."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

__all__ = ["page"]

page = APIRouter(include_in_schema=False)

_FILES = {"/": "playground.html", "/playground.css": "playground.css", "/playground.js": "playground.js"}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _serve(name: str) -> None:
    content, kind = Path(__file__).with_name(name).read_bytes(), _KINDS[Path(name).suffix]

    async def file() -> Response:
        return Response(content, headers=_HEADERS, media_type=kind)

    (address,) = (address for address, file in _FILES.items() if file == name)
    page.add_api_route(address, file, methods=["GET"])


for _name in _FILES.values():
    _serve(_name)
