"""The addresses of blobs: contents that jobs name by their refs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Response
from starlette.responses import StreamingResponse

from api.answers import StoredBlob, json_response
from api.body import pieces_of
from api.event_stream import gone
from api.openapi_parts import BLOB, BLOB_BODY, problems
from api.problems import Problem
from api.requests import Calling
from sandbox import BlobsUnavailable, InvalidJob
from sandbox.blobs import Blob
from sandbox.payload import decode_ref
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.requests import Call

__all__ = ["blobs"]

_log = logging.getLogger("cellblock.api")

blobs = APIRouter(prefix="/v1/blobs", tags=["blobs"])

_HEADERS = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


async def _ref(
    ref: Annotated[str, Path(description="The ref of a blob.", json_schema_extra={"examples": ["sha256:…"]})],
) -> str:
    try:
        return decode_ref("ref", ref)
    except InvalidJob:
        raise _missing() from None


Ref = Annotated[str, Depends(_ref)]


@blobs.post(
    "",
    status_code=201,
    response_model=StoredBlob,
    response_description="The content is stored.",
    openapi_extra=BLOB_BODY,
    responses=problems(400, 401, 404, 408, 413, 429, 503),
)
async def store(call: Calling) -> Response:
    """Store a content, which expires as results do. Whatever the body is, it is stored as it is."""
    call.stay_open()
    pieces = pieces_of(call.request, this_settings().max_disk, "CELLBLOCK_MAX_DISK")
    blob = await call.parts.blobs.put(call.caller.tenant, pieces)
    about = json.dumps({"ref": blob.ref, "size": blob.size})
    return json_response(about, 201, Location=f"/v1/blobs/{blob.ref}")


@blobs.get("/{ref}", response_class=Response, responses=BLOB | problems(401, 404, 429, 503))
async def fetch(call: Calling, ref: Ref) -> Response:
    """A content. If it ends early, it is not what was stored."""
    call.stay_open()
    blob = Blob(ref, await _size(call, ref))
    headers = {**_HEADERS, "Content-Length": str(blob.size)}
    return StreamingResponse(_pieces(call, blob), headers=headers, media_type="application/octet-stream")


@blobs.delete(
    "/{ref}", status_code=204, response_description="It is gone.", responses=problems(401, 404, 503)
)
async def remove(call: Calling, ref: Ref) -> Response:
    """Remove a content. Jobs that name it are refused from then on."""
    if not await call.parts.blobs.remove(call.caller.tenant, ref):
        raise _missing()
    return Response(status_code=204)


async def _pieces(call: Call, blob: Blob) -> AsyncIterator[bytes]:
    """The content. If it proves to be damaged, the connection is ended before its last piece."""
    try:
        async for piece in call.parts.blobs.read(call.caller.tenant, blob):
            yield piece
    except (InvalidJob, BlobsUnavailable) as error:
        _log.warning("A blob could not be sent whole: %s", error)
        call.request.state.abort()
        await gone(call.request.receive)


async def _size(call: Call, ref: str) -> int:
    size = await call.parts.blobs.size(call.caller.tenant, ref)
    if size is None:
        raise _missing()
    return size


def _missing() -> Problem:
    return Problem(404, "not-found", "There is no such blob, or it has expired.")
