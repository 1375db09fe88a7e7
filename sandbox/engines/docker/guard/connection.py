"""Serves one client of the guard: reads its calls one after the other, and passes on the engine's answers."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from sandbox.engines.docker.guard.call import Refused, body_bytes, read_call
from sandbox.engines.docker.guard.engine import EngineAway
from sandbox.engines.docker.guard.link import Link, splice
from sandbox.engines.docker.guard.owned import Missing

if TYPE_CHECKING:
    from sandbox.engines.docker.guard.call import Call
    from sandbox.engines.docker.guard.engine import GuardedEngine
    from sandbox.engines.docker.guard.judge import Judge
    from sandbox.engines.docker.guard.order import Order

__all__ = ["Connection"]

_log = logging.getLogger("cellblock.guard")

# The time from the first byte of a call to its last.
_CALL_S = 15.0
# How long the guard reads on from a client that it has refused.
_LINGER_S = 2.0
_SWITCHING, _FIRST_ERROR = 101, 400
# The headers of an answer that a client needs. The guard drops all others.
_PASSED_ON = (
    *(b"api-version", b"content-length", b"content-type", b"date", b"docker-experimental", b"ostype"),
    *(b"server", b"connection", b"upgrade"),
)


class Connection:
    """Serves one client until it hangs up."""

    def __init__(self, client: Link, engine: GuardedEngine, judge: Judge) -> None:
        self._client = client
        self._engine = engine
        self._judge = judge

    async def serve(self) -> None:
        """Answer each call. The connection is closed where the engine would have closed it."""
        try:
            while await self._serve_one():
                self._client.http.start_next_cycle()
        except OSError:
            _log.debug("A client has gone")
        except EngineAway as error:
            _log.error("%s", error)
        finally:
            self._client.close()

    async def _serve_one(self) -> bool:
        """Answer one call. Returns whether another may follow."""
        await self._client.wait()
        try:
            async with asyncio.timeout(_CALL_S):
                call = await self._next_call()
            if call is None:
                return False
            await self._pass_on(await self._judge(call))
        except Refused as refusal:
            _log.warning("Refused a call: %s", refusal)
            said = f"the guard before the engine lets no such call through: {refusal}"
            await self._answer(HTTPStatus.FORBIDDEN, said, is_last=True)
        except h11.RemoteProtocolError:
            await self._answer(HTTPStatus.BAD_REQUEST, "this is no HTTP", is_last=True)
        except Missing as missing:
            await self._answer(HTTPStatus.NOT_FOUND, str(missing))
        return self._client.is_between_calls

    async def _next_call(self) -> Call | None:
        request = await self._client.next_event()
        if not isinstance(request, h11.Request):
            return None
        body = await self._client.body(body_bytes(request))
        return read_call(request, body)

    async def _answer(self, status: HTTPStatus, message: str, *, is_last: bool = False) -> None:
        """Answer without the engine. No call is read after a refused one, whose end can't be trusted."""
        body = json.dumps({"message": message}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        headers += [("Connection", "close")] if is_last else []
        head = h11.Response(status_code=status, reason=status.phrase.encode(), headers=headers)
        await self._client.send(head, h11.Data(data=body), h11.EndOfMessage())
        if is_last:
            await self._linger()

    async def _linger(self) -> None:
        """Read on for a moment. Closing while the client still sends could destroy the answer."""
        self._client.writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while await self._client.read():
                    pass

    async def _pass_on(self, order: Order) -> None:
        engine = await self._engine.open()
        try:
            if await self._unless_gone(asyncio.create_task(self._relay(order, engine))):
                await splice(self._client, engine)
        except h11.RemoteProtocolError as error:
            raise EngineAway(f"The engine's answer makes no sense: {error}") from error
        finally:
            self._engine.release(engine)

    async def _unless_gone(self, relay: asyncio.Task[bool]) -> bool:
        """The result of `relay`. Raises `ConnectionAbortedError` if the client hangs up before that."""
        listen = asyncio.create_task(self._client.read())
        try:
            await asyncio.wait({relay, listen}, return_when=asyncio.FIRST_COMPLETED)
            if listen.done():
                said = listen.result()
                if not said and not relay.done():
                    raise ConnectionAbortedError
                self._client.http.receive_data(said)
            return await relay
        finally:
            relay.cancel()
            listen.cancel()
            await asyncio.gather(relay, listen, return_exceptions=True)

    async def _relay(self, order: Order, engine: Link) -> bool:
        """Send `order`, and pass the answer on. Returns whether the bytes that follow are raw streams."""
        await engine.send(*order.events())
        head = await engine.next_event()
        if isinstance(head, h11.InformationalResponse) and head.status_code == _SWITCHING and order.upgrade:
            await self._client.send(h11.InformationalResponse(status_code=_SWITCHING, headers=_headers(head)))
            return True
        if not isinstance(head, h11.Response) or (order.upgrade and head.status_code < _FIRST_ERROR):
            raise EngineAway("The engine's answer makes no sense")
        await self._client.send(
            h11.Response(status_code=head.status_code, reason=head.reason, headers=_headers(head))
        )
        while isinstance(event := await engine.next_event(), h11.Data):
            await self._client.send(h11.Data(data=event.data))
        await self._client.send(h11.EndOfMessage())
        return False


def _headers(head: h11.Response | h11.InformationalResponse) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in head.headers if name in _PASSED_ON]
