"""What `doctor` looks at, and what must be there before a worker starts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import RedisError

from cli.redis_errors import explain_redis
from config import InvalidSetting, format_bytes, load_catalogue, load_settings
from sandbox import BrokerUnreachable
from sandbox.budget import most_jobs, overcommitments, this_host
from sandbox.docker_client import connect, docker_address, mapped_errors
from sandbox.image_choice import find_image
from sandbox.limits import check_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config import Settings

__all__ = ["CHECKS", "Finding", "Level", "require_broker", "require_engine"]


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw, and the command or setting that mends it."""

    level: Level
    message: str
    mend: str = ""


def require_engine(settings: Settings) -> None:
    """Raise EngineUnreachable unless the container engine answers this user."""
    connect(settings).close()


def require_broker(settings: Settings) -> dict[str, Any]:
    """What Redis says of itself; nothing of a broker that is not Redis.

    Raises:
        BrokerUnreachable: it does not answer, or does not let us in.
    """
    url = settings.broker_url.get_secret_value().replace("redis+socket://", "unix://")
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return {}
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, decode_responses=True)
    try:
        about: dict[str, Any] = client.info()
    except RedisError as error:
        raise BrokerUnreachable(explain_redis(error)) from None
    finally:
        client.close()
    return about


def _settings() -> Iterator[Finding]:
    try:
        settings = load_settings()
        catalogue = load_catalogue(settings.runtimes)
        check_catalogue(catalogue, settings)
    except InvalidSetting as error:
        yield Finding(Level.PROBLEM, str(error), "correct the variable, see docs/reference/settings.md")
        return
    mode = "in containers" if settings.enable_docker else "on this host, with no isolation"
    level = Level.OK if settings.enable_docker else Level.WARNING
    yield Finding(
        level,
        f"{len(catalogue)} runtimes; commands run {mode}",
        "" if level is Level.OK else "ENABLE_DOCKER=true",
    )


def _engine() -> Iterator[Finding]:
    settings = load_settings()
    client = connect(settings)
    try:
        with mapped_errors("describe itself"):
            about = client.info()
    finally:
        client.close()
    version, cgroup = about.get("ServerVersion"), about.get("CgroupVersion", "1")
    yield Finding(Level.OK, f"engine {version} at {docker_address(settings)}, cgroup version {cgroup}")
    security = " ".join(about.get("SecurityOptions") or [])
    if "seccomp" not in security:
        yield Finding(Level.PROBLEM, "the engine filters no system calls", "use an engine built with seccomp")
    for feature, what in _FEATURES.items():
        if not about.get(feature, True):
            yield Finding(
                Level.PROBLEM, f"the engine cannot limit {what}", f"enable the {what} cgroup controller"
            )


_FEATURES = {"MemoryLimit": "memory", "PidsLimit": "pids", "CpuCfsQuota": "cpu"}


def _images() -> Iterator[Finding]:
    settings = load_settings()
    client = connect(settings)
    try:
        for runtime in load_catalogue(settings.runtimes).values():
            image = find_image(client, runtime.image) or find_image(client, runtime.local_image)
            if image:
                yield Finding(Level.OK, f"{runtime.name}: {image.name}, {format_bytes(image.size_bytes)}")
            else:
                yield Finding(
                    Level.WARNING,
                    f"{runtime.name}: neither {runtime.image} nor {runtime.local_image} is here",
                    f"cellblock images pull {runtime.name}, or cellblock images build {runtime.name}",
                )
    finally:
        client.close()


def _redis() -> Iterator[Finding]:
    about = require_broker(load_settings())
    if not about:
        yield Finding(Level.OK, "the broker is not Redis: not examined")
        return
    version = str(about["redis_version"])
    old = tuple(map(int, version.split(".")[:2])) < (6, 2)
    yield Finding(
        Level.PROBLEM if old else Level.OK,
        f"Redis {version} answers",
        "use Redis 6.2 or newer" if old else "",
    )
    if about.get("maxmemory_policy", "noeviction") != "noeviction":
        yield Finding(
            Level.PROBLEM,
            f"Redis may throw queued jobs away (maxmemory-policy {about['maxmemory_policy']})",
            "redis-cli config set maxmemory-policy noeviction",
        )


def _budget() -> Iterator[Finding]:
    settings, host = load_settings(), this_host()
    for sentence in overcommitments(settings, host):
        yield Finding(
            Level.WARNING, sentence, "lower CELLBLOCK_CONCURRENCY, CELLBLOCK_AUTOSCALE or the maxima"
        )
    yield Finding(
        Level.OK, f"{most_jobs(settings)} jobs at a time on {format_bytes(host.memory_bytes)} of memory"
    )


def _names() -> Iterator[Finding]:
    ours = Path(__file__).parents[1]
    for name in ("config", "sandbox", "tasks"):
        spec = find_spec(name)
        found = Path(spec.origin).parents[1] if spec and spec.origin else None
        if found != ours:
            yield Finding(
                Level.PROBLEM, f"another package is called {name!r}: {found}", "use a venv of its own"
            )
    yield Finding(Level.OK, f"config, sandbox and tasks come from {ours}")


#: Each check by name; an error that it raises is a finding too.
CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": _settings,
    "names": _names,
    "engine": _engine,
    "images": _images,
    "redis": _redis,
    "budget": _budget,
}
