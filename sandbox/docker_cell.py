"""One container, from its start to its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, Self

import docker
import docker.errors

from sandbox.cell import Evidence
from sandbox.docker_client import mapped_errors
from sandbox.docker_frames import FrameReader
from sandbox.errors import CellLost, EngineFailed
from sandbox.events import Closed, Ended
from sandbox.supervisor import Session
from sandbox.supervisor.orders import KILL, TERMINATE

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from sandbox.cell import CellInfo
    from sandbox.events import Event
    from sandbox.job import Job

__all__ = ["DockerCell"]

_RECEIVE_BYTES = 256 << 10


class Closeable(Protocol):
    """Anything that can be closed."""

    def close(self) -> None:
        """Let go of what it holds."""


class DockerCell:
    """A created container. The streams are attached before the start, so that nothing can be missed.

    A context: entering starts the container, leaving hangs up, and the supervisor takes a closed stream
    as the order to end.
    """

    def __init__(self, client: docker.APIClient, info: CellInfo, bound_s: float) -> None:
        self.info = info
        self._client = client
        self._name = info.container or ""
        self._bound_s = bound_s
        self._frames = FrameReader()
        self._session = Session()
        self._closed = False

    def __enter__(self) -> Self:
        with mapped_errors("start a cell"):
            self._stream, self._socket = _attach(self._client, self._name)
            try:
                self._client.start(self._name)
            except BaseException:
                self._hang_up()
                raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._hang_up()

    def start(self, job: Job) -> None:
        """Send the orders. The supervisor reads all of them before the job can write, so this can't block."""
        with mapped_errors("take the job's input"):
            self._socket.settimeout(self._bound_s)
            self._socket.sendall(self._session.orders(job))

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """The events in the next bytes from the engine, waiting for them at most `timeout_s` seconds."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            self._closed = True
            yield from self._session.flush()
            yield Closed()
        for stream, piece in self._frames.feed(data):
            for event in self._session.feed(stream, piece):
                self._closed = self._closed or isinstance(event, Ended)
                yield event

    def terminate(self) -> None:
        """Ask the supervisor for SIGTERM to all; a job that got in its way is killed a grace later anyway."""
        self._order(TERMINATE)

    def kill(self) -> None:
        """Ask the supervisor for SIGKILL to all, so that it can still account for the job."""
        self._order(KILL)

    def destroy(self) -> None:
        """Have the engine kill the container, and make sure that it is dead.

        Raises:
            EngineUnreachable, EngineFailed: when it can't be confirmed.
        """
        with mapped_errors("kill a cell"):
            try:
                self._client.kill(self._name, "SIGKILL")
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                # It is not running any more, or the engine saw no exit in time: the state tells which.
                if self._state()["Running"]:
                    raise EngineFailed(
                        f"The engine could not kill {self._name}: {error.explanation}."
                    ) from error

    def examine(self) -> Evidence:
        """What the engine says of the container's end, once it has seen it.

        Raises:
            CellLost: somebody else removed or killed the container.
        """
        with mapped_errors("examine a cell"):
            try:
                self._client.wait(self._name, timeout=math.ceil(self._bound_s))
                state = self._state()
            except docker.errors.NotFound as error:
                raise CellLost(f"The cell {self._name} was removed while its job ran.") from error
        return Evidence(exit_code=state["ExitCode"], out_of_memory=bool(state["OOMKilled"]))

    def _hang_up(self) -> None:
        self._stream.close()
        self._socket.close()

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._client.inspect_container(self._name)["State"]
        return state

    def _order(self, order: bytes) -> None:
        if not self._closed:
            try:
                self._socket.settimeout(1.0)
                self._socket.send(order)
            except OSError:
                self._closed = True


def _attach(client: docker.APIClient, name: str) -> tuple[Closeable, socket.socket]:
    """The raw connection: the SDK's own reader takes a broken connection for the end of the output.

    Its wrapper comes along because the connection closes with it.
    """
    wrapped = client.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    return wrapped, getattr(wrapped, "_sock", wrapped)
