"""Runs `compose.yaml` under a project name of its own, with images built from cellblock's recipes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from celery import Celery

from tests.api.running import Caller
from tests.conftest import OWNER
from tests.programs import ROOT, free_port
from tests.waiting import wait_until

__all__ = ["Deployment", "compose_program", "running_deployment"]

#: The margins are short, so that the reaper removes a killed worker's cells during the test.
_SETTINGS = """
CELLBLOCK_CONCURRENCY=2
CELLBLOCK_ENGINE_MARGIN=3
CELLBLOCK_SILENCE=3
CELLBLOCK_DRAIN=5
CELLBLOCK_NETWORK_HOSTS=example.com
CELLBLOCK_PULL=never
CELLBLOCK_WARM=bash=1
"""
_UP_S = 60.0


def compose_program() -> list[str] | None:
    """The command of Docker's plug-in, or of Debian's program; None if neither is installed."""
    plugin = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0
    ):
        return plugin
    return ["docker-compose"] if shutil.which("docker-compose") else None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running deployment, and the ways to reach it."""

    program: list[str]
    project: str
    env: dict[str, str]
    engine: docker.APIClient

    def compose(self, *arguments: str) -> str:
        """Run `docker compose`. Returns its output."""
        command = [*self.program, "--env-file", "deploy/offline.env", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def updating(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run `deploy/update.sh` with new settings. Its output is shown if the test fails."""
        with Path(self.env["WORKER_SETTINGS"]).open("a") as settings:
            settings.write("CELLBLOCK_DRAIN=6\n")
        command = [str(ROOT / "deploy/update.sh"), *self.program, "--env-file", "deploy/offline.env"]
        with subprocess.Popen(command, cwd=ROOT, env=self.env) as process:
            yield process

    @property
    def owner(self) -> str:
        """The owner in the labels of its cells."""
        return self.env["CELLBLOCK_OWNER"]

    @property
    def broker_url(self) -> str:
        """The URL of Redis for apps on this host, with the password from the secret."""
        secret = Path(self.env["SECRETS"], "broker_url").read_text().strip()
        return secret.replace("redis:6379", f"127.0.0.1:{self.env['REDIS_PORT']}")

    def api(self) -> Caller:
        """A caller of the HTTP API, with the token from the secret."""
        token = Path(self.env["SECRETS"], "api_tokens").read_text().split()[0]
        return Caller(f"http://127.0.0.1:{self.env['API_PORT']}", token)

    @property
    def flower_url(self) -> str:
        """The URL of Flower for this host."""
        return f"http://127.0.0.1:{self.env['FLOWER_PORT']}"

    @property
    def prometheus_url(self) -> str:
        """The URL of Prometheus for this host. Its profile must be started."""
        return f"http://127.0.0.1:{self.env['PROMETHEUS_PORT']}"

    def containers(self, service: str | None = None) -> list[str]:
        """The ids of a service's running containers. Without a service: all containers, in any state."""
        labels = [f"com.docker.compose.project={self.project}"]
        labels += [f"com.docker.compose.service={service}"] if service else []
        found = self.engine.containers(all=service is None, filters={"label": labels})
        return [container["Id"] for container in found]

    def left(self) -> list[object]:
        """Every container, network, volume and cell of this deployment."""
        project = {"label": f"com.docker.compose.project={self.project}"}
        return [
            *self.containers(),
            *self.engine.networks(filters=project),
            *(self.engine.volumes(filters=project)["Volumes"] or []),
            *self.cells(),
        ]

    def cells(self, *labels: str) -> list[str]:
        """The names of its cells, in any state."""
        wanted = [f"cellblock.owner={self.owner}", *labels]
        return [cell["Names"][0] for cell in self.engine.containers(all=True, filters={"label": wanted})]

    def cells_of(self, worker: str) -> list[str]:
        """The names of the cells that one worker has made, in any state."""
        return self.cells(f"cellblock.worker={worker}")

    def workers(self, app: Celery) -> dict[str, list[str]]:
        """The ids of the running jobs by worker. The connection is new: Redis may have been restarted."""
        with app.connection_for_write() as connection:
            answers = app.control.inspect(timeout=1.0, connection=connection).active() or {}
        return {name: [task["id"] for task in tasks] for name, tasks in answers.items()}


@contextmanager
def running_deployment(program: list[str], folder: Path, engine: docker.APIClient) -> Iterator[Deployment]:
    """Start Redis, one worker and Flower. At the end `down -v` must leave nothing."""
    settings, secrets = folder / "worker.env", folder / "secrets"
    settings.write_text(_SETTINGS)
    subprocess.run([ROOT / "deploy/secrets.sh", secrets], check=True)
    subprocess.run([ROOT / "deploy/offline.sh"], check=True, capture_output=True)
    project = f"cb{OWNER.removeprefix('test-')}"
    env = os.environ | {
        "COMPOSE_PROJECT_NAME": project,
        "CELLBLOCK_OWNER": f"{OWNER}-compose",
        "SECRETS": str(secrets),
        "WORKER_SETTINGS": str(settings),
        "REDIS_PORT": str(free_port()),
        "FLOWER_PORT": str(free_port()),
        "API_PORT": str(free_port()),
        "PROMETHEUS_PORT": str(free_port()),
    }
    deployment = Deployment(program, project, env, engine)
    deployment.compose("build", "--quiet")
    try:
        deployment.compose("up", "--detach")
        yield deployment
    finally:
        deployment.compose("down", "--volumes")
    wait_until(lambda: not deployment.left(), 15, "the deployment is gone without a trace")
