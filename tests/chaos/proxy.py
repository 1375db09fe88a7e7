"""A proxy that can stall or cut connections, or hold back one answer."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Address", "StallingProxy"]

#: A Unix socket, or a port on the loopback interface.
Address = Path | int

_log = logging.getLogger("chaos.proxy")

_CHUNK_BYTES = 64 << 10
# The loop makes a transport in one turn, and gives it to us in the next.
_TURNS_TO_ACCEPT = 2
_DATE = re.compile(rb"\r\nDate: ([^\r]+ GMT)\r\n")


class StallingProxy:
    """Passes bytes between the clients of `address` and `target`. A context."""

    def __init__(self, target: Address, listen: Path | None = None) -> None:
        self.address: Address = listen or free_port()
        #: Set while an answer is held back.
        self.held = threading.Event()
        #: The Date in answers is off by this many seconds.
        self.clock_off_s = 0.0
        self._target = target
        self._pattern: bytes | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        """The address in the form that the Docker SDK accepts."""
        return (
            f"unix://{self.address}" if isinstance(self.address, Path) else f"tcp://127.0.0.1:{self.address}"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cut()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stall(self) -> None:
        """Let nothing pass and close no connection, as if a daemon hangs or packets are dropped."""
        self._do(self._open.clear)

    def hold_answer(self, pattern: bytes) -> None:
        """Let the next request that contains `pattern` pass, and hold back its answer until `heal`."""
        self._pattern = pattern

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def heal(self) -> None:
        """Let everything pass again, including what was held back."""
        self.held.clear()
        self._pattern = None
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()

    def _do(self, act: Callable[[], None]) -> None:
        async def now() -> None:
            act()

        asyncio.run_coroutine_threadsafe(now(), self._loop).result()

    async def _serve(self) -> None:
        self._open.set()
        for link in self._links:
            link.may_answer.set()
        if self._server is None:
            match self.address:
                case int(port):
                    self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
                case Path() as path:
                    path.unlink(missing_ok=True)
                    self._server = await asyncio.start_unix_server(self._accept, str(path))

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            for listening in server.sockets:
                self._loop.remove_reader(listening)
            # What was just accepted is no connection yet. Once its server is closed, nobody closes it.
            for _ in range(_TURNS_TO_ACCEPT):
                await asyncio.sleep(0)
            server.close()
        for link in self._links:
            link.abort()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            far_reader, far_writer = await _connect(self._target)
            link.far = far_writer
            await asyncio.gather(
                self._pass(reader, far_writer, link, asks=True),
                self._pass(far_reader, writer, link, asks=False),
            )
        except OSError as error:
            _log.debug("A connection broke: %s", error)
        finally:
            link.abort()
            self._links.discard(link)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link, *, asks: bool
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if asks and self._pattern and self._pattern in data:
                self._pattern = None
                link.may_answer.clear()
            await self._open.wait()
            if not asks and not link.may_answer.is_set():
                self.held.set()
                await link.may_answer.wait()
            writer.write(data if asks or not self.clock_off_s else _told_late(data, self.clock_off_s))
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


class _Link:
    """A client's connection, and the connection to the target that belongs to it."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.near = near
        self.far: asyncio.StreamWriter | None = None

    def abort(self) -> None:
        self.may_answer.set()
        for writer in (self.near, self.far):
            if writer is not None:
                writer.transport.abort()


def _told_late(data: bytes, off_s: float) -> bytes:
    """Change the Date in HTTP answers by `off_s` seconds."""
    return _DATE.sub(lambda found: b"\r\nDate: " + _later(found[1], off_s) + b"\r\n", data)


def _later(date: bytes, off_s: float) -> bytes:
    moment = parsedate_to_datetime(date.decode()).timestamp() + off_s
    return formatdate(moment, usegmt=True).encode()


async def _connect(target: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    match target:
        case Path():
            return await asyncio.open_unix_connection(str(target))
        case int(port):
            return await asyncio.open_connection("127.0.0.1", port)
