"""Test servers with names that jobs may list, and cells whose proxies can reach them."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from docker.types import IPAMConfig, IPAMPool

from config import load_settings
from sandbox import Sandbox
from tests.conftest import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

LISTED, OTHER = "api.example.com", "other.example.com"
#: Accepts connections and never reads from them.
DEAF = f"{LISTED}:9000"
_SERVER = """
import http.server, socket, threading
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.headers['Host'].encode())
    def log_message(self, *_): pass
for port in (80, 443, 8443):
    server = http.server.ThreadingHTTPServer(('', port), Answer)
    threading.Thread(target=server.serve_forever).start()
with socket.socket() as deaf:
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.bind(('', 9000)); deaf.listen(256)
    taken = []
    while True: taken.append(deaf.accept())
"""


@contextmanager
def serving(engine: docker.APIClient) -> Iterator[dict[str, str]]:
    """Run servers with both names. Gives their public-looking and private addresses, and a name."""
    name = f"hosts-{secrets.token_hex(4)}"
    # The proxy takes these addresses for public ones. They are routed only between these containers.
    public = f"11.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24"
    with _network(engine, f"{name}-public", public), _network(engine, f"{name}-private", None):
        container = engine.create_container(
            "cellblock/python:local",
            ["python3", "-c", _SERVER],
            name=name,
            labels={"cellblock.owner": f"{OWNER}-hosts"},
            host_config=engine.create_host_config(network_mode=f"{name}-public"),
        )["Id"]
        try:
            engine.disconnect_container_from_network(container, f"{name}-public")
            engine.connect_container_to_network(container, f"{name}-public", aliases=[LISTED, OTHER])
            engine.connect_container_to_network(container, f"{name}-private", aliases=[LISTED])
            engine.start(container)
            about = engine.inspect_container(container)["NetworkSettings"]["Networks"]
            yield {network.rpartition("-")[2]: one["IPAddress"] for network, one in about.items()} | {
                "name": name
            }
        finally:
            engine.remove_container(container, force=True)


@contextmanager
def _network(engine: docker.APIClient, name: str, subnet: str | None) -> Iterator[None]:
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)] if subnet else [])
    made = engine.create_network(name, ipam=ipam, labels={"cellblock.owner": f"{OWNER}-hosts"})
    try:
        yield
    finally:
        engine.remove_network(made["Id"])


@contextmanager
def listing_hosts(server: dict[str, str], where: str, **settings: object) -> Iterator[Sandbox]:
    """Give a sandbox with lists of hosts. Its proxies reach the servers' public or private addresses."""
    exits = f"{server['name']}-{where}"
    about = {
        "pull": "never",
        "network_hosts": "*.example.com,*.example.com:9000",
        "network_exit": exits,
        **settings,
    }
    with Sandbox(load_settings(**about)) as made:
        yield made
