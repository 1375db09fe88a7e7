"""What all servers of this package have in common: who may call, where they listen, and their log."""

from __future__ import annotations

import logging
import os
import socket

from api.tokens import TokenFile
from config import InvalidSetting
from sandbox.log_lines import log_formatter
from tasks.settings import this_settings

__all__ = ["MOST_CONNECTIONS", "address_of", "listen", "reason_of", "set_up_log", "tokens_for"]

_log = logging.getLogger("cellblock.api")

#: How many connections a server has at a time.
MOST_CONNECTIONS = 2048

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def tokens_for(host: str) -> TokenFile | None:
    """The tokens of those who may call. None: anyone on this machine, and nobody else.

    Raises:
        InvalidSetting: the tokens can't be read, or there are none and others can reach the address.
    """
    path = this_settings().api_tokens_file
    if path is not None:
        return TokenFile(path)
    if host not in _LOOPBACK:
        raise InvalidSetting(
            f"CELLBLOCK_API_TOKENS_FILE is not set, and anyone who reaches {host} could run commands."
            " Try: a file with a line for each token and its tenant; or --host 127.0.0.1."
        )
    _log.warning("There are no tokens (CELLBLOCK_API_TOKENS_FILE): anyone on this machine may run commands")
    return None


def listen(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens at this address. `option` is the one that gives the port.

    Raises:
        InvalidSetting: it can't be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise InvalidSetting(
            f"--host {host} {option} {port}: {reason_of(error)}. Try: another port"
        ) from None


def address_of(host: str, listener: socket.socket) -> str:
    """The address of a listener, as clients give it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def reason_of(error: OSError) -> str:
    """What the system says. `socket` adds the address to its sentence."""
    return os.strerror(error.errno) if error.errno else str(error)


def set_up_log() -> None:
    """Log to stderr, as the settings say."""
    settings = this_settings()
    (handler := logging.StreamHandler()).setFormatter(log_formatter(settings.log_format))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
