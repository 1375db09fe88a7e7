"""A private RabbitMQ server from Debian's package, separate from the system's server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.programs import free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAMS", "PrivateRabbit"]

#: The scripts in /usr/sbin change to another user, who can't write to the test's folder. These do not.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")

_START_S = 60.0
_STOP_S = 30.0


class PrivateRabbit:
    """A server that keeps all its files in `folder`. A context."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._log = folder / "rabbit.log"
        (folder / "plugins").write_text("[].\n")
        self._env = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": f"cellblock{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            command = [str(PROGRAMS / "rabbitmq-server")]
            process = self._process = subprocess.Popen(
                command, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until(lambda: self._is_up() or process.poll() is not None, _START_S, "RabbitMQ is up")
            assert process.poll() is None, self._log.read_text()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_STOP_S)
        # Erlang's name server, which RabbitMQ has started.
        subprocess.run(["epmd", "-kill"], env=self._env, capture_output=True, check=False)

    def close_connections(self) -> None:
        """Make the server close all connections."""
        self._control(["close_all_connections", "as planned"])

    def _is_up(self) -> bool:
        return "completed with" in self._log.read_text()

    def _control(self, words: Sequence[str]) -> None:
        subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), *words], env=self._env, check=True, capture_output=True
        )
