"""Starts Redis servers of every kind that a worker can use. Each is a real program for one test."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from tests.programs import free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "PASSWORD",
    "Sentinels",
    "certificates",
    "redis_program",
    "sentinels",
    "server_on_socket",
    "server_with_tls",
]

#: It has every character with a special meaning in an address.
PASSWORD = "a/b?c#d@e%f:g"  # noqa: S105
ENCODED = "a%2Fb%3Fc%23d%40e%25f%3Ag"

_START_S = 20.0


@contextmanager
def redis_program(
    folder: Path, *arguments: str, program: str = "redis-server"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Redis program, and kill it at the end: its data is not needed."""
    with (folder / f"{program}.log").open("ab") as log:
        process = subprocess.Popen(
            [shutil.which(program) or program, *arguments], cwd=folder, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def certificates(folder: Path) -> dict[str, Path]:
    """Make a certificate authority, and a certificate for 127.0.0.1 that it has signed."""
    paths = {name: folder / f"{name}.pem" for name in ("ca", "ca-key", "cert", "key", "request")}
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority"),
        *("-keyout", paths["ca-key"], "-out", paths["ca"]),
    )
    _openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
        *("-keyout", paths["key"], "-out", paths["request"]),
    )
    _openssl(
        *("x509", "-req", "-days", "2", "-in", paths["request"], "-extfile", extensions, "-CAcreateserial"),
        *("-CA", paths["ca"], "-CAkey", paths["ca-key"], "-out", paths["cert"]),
    )
    return paths


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def server_with_tls(folder: Path, *more: str) -> Iterator[tuple[int, dict[str, Path]]]:
    """Run a Redis that accepts only TLS. With options in `more` it can ask for a client's certificate."""
    port, paths = free_port(), certificates(folder)
    files = ("--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "ca.pem")
    options = ("--port", "0", "--tls-port", str(port), *files, "--tls-auth-clients", "no", *more)
    with redis_program(folder, *options, "--requirepass", PASSWORD, "--save", ""):
        client = redis.Redis(
            port=port,
            password=PASSWORD,
            ssl=True,
            ssl_ca_certs=str(paths["ca"]),
            ssl_certfile=str(paths["cert"]),
            ssl_keyfile=str(paths["key"]),
        )
        with client:
            wait_until(lambda: _answers(client), _START_S, "the Redis with TLS answers")
        yield port, paths


@contextmanager
def server_on_socket(folder: Path) -> Iterator[Path]:
    """Run a Redis that listens only on a Unix socket."""
    path = folder / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(path), "--requirepass", PASSWORD, "--save", "")
    with redis_program(folder, *options), redis.Redis(unix_socket_path=str(path), password=PASSWORD) as one:
        wait_until(lambda: _answers(one), _START_S, "the Redis on a socket answers")
        yield path


@dataclass(slots=True)
class Sentinels:
    """A Sentinel that watches a primary and its replica."""

    port: int
    primary: subprocess.Popen[bytes]
    servers: tuple[int, int]

    @property
    def address(self) -> str:
        return f"sentinel://:{ENCODED}@127.0.0.1:{self.port}/3?master_name=cells"

    def primary_port(self) -> int:
        """The port of the current primary."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return int(client.sentinel_get_master_addr_by_name("cells")[1])


@contextmanager
def sentinels(folder: Path) -> Iterator[Sentinels]:
    """Run two Redis servers, the second a replica of the first, and a Sentinel that watches them."""
    first, second, port = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        options = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--save", "")
        primary = stack.enter_context(redis_program(folder, "--port", str(first), *options))
        replicates = ("--replicaof", "127.0.0.1", str(first))
        stack.enter_context(redis_program(folder, "--port", str(second), *options, *replicates))
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nsentinel monitor cells 127.0.0.1 {first} 1\n"
            f'sentinel auth-pass cells "{PASSWORD}"\n'
            "sentinel down-after-milliseconds cells 1000\nsentinel failover-timeout cells 5000\n"
        )
        stack.enter_context(redis_program(folder, str(config), program="redis-sentinel"))
        client = stack.enter_context(redis.Redis(port=port, decode_responses=True))
        wait_until(lambda: _has_replica(client), _START_S, "the Sentinel knows the replica")
        yield Sentinels(port, primary, (first, second))


def _has_replica(client: redis.Redis) -> bool:
    try:
        replicas = client.sentinel_slaves("cells")
    except redis.RedisError:
        return False
    return any(replica["master-link-status"] == "ok" for replica in replicas)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
