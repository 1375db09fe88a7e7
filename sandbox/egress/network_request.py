"""Checks the network access that a job asks for against what the operator allows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from config.hosts import Host, covers, parse_host
from config.quoting import named, quoted
from sandbox.errors import InvalidJob

if TYPE_CHECKING:
    from config import Settings

__all__ = ["Network", "parse_network"]

#: False: no network. True: all that the engine's bridge network reaches. Hosts: only these.
Network = bool | tuple[Host, ...]

_HOSTS = 32
# The relay joins the cell's network namespace, which only the host's kernel can share between containers.
# gVisor and Kata give each container a network stack of its own.
_SHARE_NETWORKS = re.compile("runc|crun|youki")


def parse_network(asked: object, settings: Settings) -> Network:
    """The network access that `asked`, a value from a request, stands for.

    Raises:
        InvalidJob: `asked` is malformed, or asks for more than the operator allows.
    """
    if asked is None or asked is False or asked == []:
        return False
    if settings.engine_name == "oci":
        raise InvalidJob("network: the operator's engine gives cells no network (CELLBLOCK_ENGINE).")
    if asked is True:
        if not settings.network:
            raise InvalidJob("network: the operator does not allow it (CELLBLOCK_NETWORK).")
        return True
    if isinstance(asked, list | tuple):
        return _hosts(asked, settings)
    raise InvalidJob("network: give true or false, or a list of hosts such as ['api.example.com'].")


def _hosts(asked: list[object] | tuple[object, ...], settings: Settings) -> Network:
    if len(asked) > _HOSTS:
        raise InvalidJob(f"network: there are {len(asked)} hosts; give at most {_HOSTS}.")
    if asked:
        _check_engine(settings)
    hosts = tuple(_host(one, settings) for one in asked)
    return hosts or False


def _check_engine(settings: Settings) -> None:
    if not settings.isolates:
        raise InvalidJob("network: a list of hosts needs a cell; the operator runs none (ENABLE_DOCKER).")
    runtime = settings.oci_runtime
    if runtime and not _SHARE_NETWORKS.search(runtime):
        raise InvalidJob(
            "network: a list of hosts needs an OCI runtime whose containers share networks, as runc and"
            f" crun do; the operator's is {runtime!r} (CELLBLOCK_OCI_RUNTIME)."
        )


def _host(asked: object, settings: Settings) -> Host:
    try:
        host = parse_host(asked if isinstance(asked, str) else quoted(asked))
    except ValueError as error:
        raise InvalidJob(f"network: {error}.") from None
    if not covers(settings.allowed_hosts, host):
        raise InvalidJob(
            f"network: {named(str(asked))} is not among the hosts that the operator allows"
            " (CELLBLOCK_NETWORK_HOSTS)."
        )
    return host
