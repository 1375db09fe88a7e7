"""Connects to the container engine, and turns its errors into those of cellblock."""

from __future__ import annotations

import errno
import os
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests
import urllib3.exceptions
from docker.transport import UnixHTTPAdapter

from sandbox.errors import EngineFailed, EngineUnfit, EngineUnreachable, ImageMissing, SandboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config import Settings

__all__ = [
    "ask_the_time",
    "connect",
    "docker_address",
    "map_error",
    "mapped_errors",
    "ping",
    "says_away",
]

_DEFAULT = "unix:///var/run/docker.sock"
_ANY_PATH = "http+docker://localhost"
_PLAIN = ("unix://", "http+unix://", "tcp://", "http://")
# The HTTP statuses of a proxy whose engine does not answer.
_PROXY_ALONE = (502, 503, 504)
# The share of the margin that a working engine may need to answer a ping.
_PING_SHARE = 1 / 3
# Error texts of the kernel and of containerd's client. No job causes these faults, and every job meets them.
_UNFIT = ("no space left on device", "containerd.sock", "code = unavailable")

_asked_last = "the address that it was given"


def docker_address(settings: Settings) -> str:
    """Where the engine is: the setting, else `DOCKER_HOST`, else Docker's own default."""
    return settings.docker_host or os.environ.get("DOCKER_HOST") or _DEFAULT


def connect(settings: Settings) -> docker.APIClient:
    """The client of the engine. Each process has one. The engine has already told it its version.

    Its calls time out after the margin. The SDK's default is a minute, which is longer than most jobs.

    Raises:
        EngineUnreachable: there is no engine, no permission, or no answer.
        EngineFailed: it is Podman, which cannot make a cell.
    """
    global _asked_last  # noqa: PLW0603
    address = _asked_last = docker_address(settings)
    if not address.startswith(_PLAIN) or os.environ.get("DOCKER_TLS_VERIFY"):
        raise EngineUnreachable(
            f"The engine's address {address} needs TLS or SSH, which a cell's streams cannot use."
            " Try: forward its socket, as with ssh -L, and set CELLBLOCK_DOCKER_HOST=unix://…"
        )
    with mapped_errors("connect", address):
        timeout_s = int(settings.engine_margin) or 1
        client = docker.APIClient(base_url=address, version="auto", timeout=timeout_s)
        if "unix://" in address:
            client.mount("http+docker://", _OnePool(address.removeprefix("http+"), timeout_s))
        is_podman = _is_podman(client.version())
    if is_podman:
        client.close()
        raise EngineFailed(
            f"The engine at {address} is Podman, whose Docker API leaves parts of a cell's profile out:"
            " the list of system calls, the limit on files, the missing network. Try: Docker Engine."
        )
    return client


@contextmanager
def mapped_errors(action: str, address: str | None = None) -> Iterator[None]:
    """Turn any error of the SDK and of the layers below it into a `SandboxUnavailable`.

    Without an `address`, its message names the engine that this process has connected to last.
    """
    try:
        yield
    # The errors of requests are OSErrors.
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        raise map_error(error, action, address or _asked_last) from error


class _OnePool(UnixHTTPAdapter):
    """Keeps one pool of connections. The SDK's own adapter keeps one for each path that is requested."""

    def __init__(self, address: str, timeout_s: int) -> None:
        super().__init__(address.removeprefix("unix://"), timeout_s)

    def get_connection(self, url: str | bytes, proxies: Any = None) -> Any:  # noqa: ANN401  the SDK's own
        return super().get_connection(_ANY_PATH, proxies)


def map_error(error: Exception, action: str, address: str = "its address") -> SandboxUnavailable:
    """The error of cellblock for `error`, of the SDK or below. It says what happened and what to try."""
    match error:
        case docker.errors.APIError() if says_away(error):
            return EngineUnreachable(
                f"A proxy before the engine at {address} says that the engine does not answer."
            )
        case docker.errors.ImageNotFound():
            return ImageMissing(
                f"The engine has no such image ({error.explanation}). Try: cellblock images build"
            )
        case docker.errors.APIError():
            return _refusal(f"The engine could not {action}: {error.explanation or error}.")
    number = _errno(error)
    if number in (errno.EACCES, errno.EPERM):
        return EngineUnreachable(
            f"No permission to use the container engine at {address}."
            " Try: sudo usermod -aG docker $USER, then log in again; or run as root."
        )
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        return EngineUnreachable.absent(
            f"No container engine answers at {address}."
            " Try: sudo systemctl start docker; or set CELLBLOCK_DOCKER_HOST."
        )
    if _is_timeout(error):
        return EngineUnreachable(
            f"The container engine at {address} did not {action} in time. It may be overloaded."
        )
    return EngineUnreachable(
        f"The container engine at {address} could not be asked to {action}: {_root(error)}."
    )


def ask_the_time(client: docker.APIClient) -> float:
    """What the engine's clock says, to the second, in Unix seconds.

    Raises:
        SandboxUnavailable: the engine does not answer, or its answer has no time.
    """
    with mapped_errors("tell the time"):
        date = _pong(client).headers.get("Date", "")
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        raise EngineFailed(
            "The engine's answer has no valid Date header. Try: let the proxy before the engine pass it on."
        ) from None


def ping(settings: Settings) -> None:
    """Return once the engine has answered, on a new connection.

    Raises:
        EngineUnreachable: it does not answer within a third of the margin, or permission is denied.
    """
    address = docker_address(settings)
    # With a version given, the SDK does not ask the engine for one.
    with (
        mapped_errors("answer", address),
        closing(docker.APIClient(base_url=address, version="1.41", timeout=_patience_s(settings))) as client,
    ):
        answer = _pong(client)
        if answer.status_code in _PROXY_ALONE:
            raise docker.errors.APIError("away", response=answer)


def _patience_s(settings: Settings) -> int:
    return max(1, round(settings.engine_margin * _PING_SHARE))


def _pong(client: docker.APIClient) -> requests.Response:
    """The answer to a ping, the cheapest call. It has the time, and every proxy lets it through."""
    return client.get(f"{client.base_url}/_ping", timeout=client.timeout)


def says_away(error: docker.errors.APIError) -> bool:
    """Whether a proxy answered because its engine does not."""
    return error.status_code in _PROXY_ALONE


def _refusal(says: str) -> EngineFailed:
    if any(words in says.lower() for words in _UNFIT):
        return EngineUnfit(f"{says} Try: free disk on the engine's host; look into the engine's own log.")
    return EngineFailed(says)


def _is_podman(version: Mapping[str, Any]) -> bool:
    return any("Podman" in part["Name"] for part in version.get("Components", ()))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all its causes. In errors of requests and urllib3, the causes are arguments."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        one = pending.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__cause__, one.__context__, *one.args]


def _errno(error: Exception) -> int | None:
    return next((e.errno for e in _chain(error) if isinstance(e, OSError) and e.errno), None)


def _is_timeout(error: Exception) -> bool:
    kinds = (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
    return any(isinstance(e, kinds) for e in _chain(error))


def _root(error: Exception) -> str:
    return str(list(_chain(error))[-1]) or type(error).__name__
