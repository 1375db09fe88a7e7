"""Servers of this host that listen at every address and record what they receive."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

GROUP = "239.255.77.77"
_UDP_LITE = 136


class Listeners:
    """TCP, UDP and UDP-Lite on one port of every address (IPv4 and IPv6), and in a multicast group."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._sockets = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._ends, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._listen)
        first = self._open(socket.AF_INET, socket.SOCK_STREAM, 0, 0)
        self.port: int = first.getsockname()[1]
        for family in (socket.AF_INET, socket.AF_INET6):
            for protocol in (0, _UDP_LITE):
                self._open(family, socket.SOCK_DGRAM, protocol, self.port)
        self._open(socket.AF_INET6, socket.SOCK_STREAM, 0, self.port)

    def __enter__(self) -> Self:
        self._selector.register(self._ends, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.send(b"x")
        self._thread.join()
        self._sockets.close()
        self._selector.close()

    def _open(self, family: int, kind: int, protocol: int, port: int) -> socket.socket:
        listener = self._sockets.enter_context(socket.socket(family, kind, protocol))
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", port))
        if kind == socket.SOCK_STREAM:
            listener.listen(64)
        elif family == socket.AF_INET:
            for number, _ in socket.if_nameindex():
                member = struct.pack("4s4si", socket.inet_aton(GROUP), bytes(4), number)
                listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self._selector.register(listener, selectors.EVENT_READ)
        return listener

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ends:
                    return
                assert isinstance(key.fileobj, socket.socket)
                self.heard.add(_hear(key.fileobj))


def _hear(listener: socket.socket) -> str:
    if listener.type == socket.SOCK_DGRAM:
        return listener.recv(512).decode()
    connection, (address, *_) = listener.accept()
    with connection:
        connection.settimeout(2)
        try:
            return connection.recv(512).decode()
        except OSError:
            return f"a connection from {address}"
