"""The create calls of a worker, one for each kind of container."""

from __future__ import annotations

import time
from typing import Any

import docker

from config import Settings, load_catalogue
from config.hosts import Host
from sandbox.egress.proxy import PROXY_IMAGE, proxy_profile, squid_rules
from sandbox.egress.relay import relay_profile
from sandbox.engines.docker.create_call import container_config, create_call
from sandbox.engines.docker.image_choice import find_image
from sandbox.labels import LIMITS
from sandbox.limits import Limits, resolve_limits
from sandbox.profile import by_operator

__all__ = ["cell_body", "every_body"]


def cell_body(
    engine: docker.APIClient, settings: Settings, runtime: str = "bash", **about: Any
) -> dict[str, Any]:
    """The body of the create call for a job's cell."""
    chosen = load_catalogue()[runtime]
    limits = about.get("limits") or resolve_limits({}, chosen.limits, settings)
    image = find_image(engine, chosen.local_image)
    assert image, f"There is no {chosen.local_image}"
    given: dict[str, Any] = {
        "image": image.id,
        "limits": limits,
        "labels": _labels(settings, runtime, limits),
        "env": chosen.environment(limits.memory_bytes),
        "volumes": image.volumes,
        **by_operator(settings),
    }
    return container_config(**given | about)


def every_body(engine: docker.APIClient, settings: Settings, own: str) -> dict[str, dict[str, Any]]:
    """The body for each kind of container. `own` is an existing cell whose namespaces the relay joins."""
    image = find_image(engine, PROXY_IMAGE)
    assert image, f"There is no {PROXY_IMAGE}"
    limits = resolve_limits({}, load_catalogue()["bash"].limits, settings)
    every: dict[str, Any] = {
        "image": image.id,
        "limits": limits,
        "labels": _labels(settings, "bash", limits),
        "oci_runtime": settings.oci_runtime,
    }
    rules = squid_rules([Host("api.example.com"), Host("db.example.com", (443,))])
    return {
        "cell": cell_body(engine, settings),
        "cell with a network": cell_body(engine, settings, network="bridge"),
        "relay": create_call(relay_profile(**every, cell=own, proxy=own)),
        "proxy": create_call(proxy_profile(**every, exit_network=settings.network_exit, rules=rules)),
    }


def _labels(settings: Settings, runtime: str, limits: Limits) -> dict[str, str]:
    return {
        "cellblock.owner": settings.owner,
        "cellblock.task": "7",
        "cellblock.worker": "w@host",
        "cellblock.runtime": runtime,
        "cellblock.deadline": f"{time.time() + 60:.0f}",
        "cellblock.state": "job",
        "cellblock.process": "",
        LIMITS: limits.text,
    }
