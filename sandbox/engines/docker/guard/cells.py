"""Checks that a create call makes exactly a container that a worker makes.

The guard makes the call's body anew, with the functions that workers use, from the few values in it that may
vary. It lets the call through only if both bodies are equal. The engine gets the body that the guard made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from config.runtimes import RuntimeLimits
from sandbox.egress.proxy import PROXY_IMAGE, proxy_profile
from sandbox.egress.relay import relay_profile
from sandbox.engines.docker.create_call import container_config, create_call
from sandbox.engines.docker.guard.call import Refused
from sandbox.engines.docker.guard.varying import check_labels, check_rules, limits_of
from sandbox.labels import RUNTIME
from sandbox.limits import read_limits, resolve_limits
from sandbox.profile import by_operator

if TYPE_CHECKING:
    from config import Settings
    from sandbox.engines.docker.guard.images import GuardedImages
    from sandbox.engines.docker.guard.owned import Owned

__all__ = ["GuardedCells"]

_OTHERS = "container:"
_ADAPTED = ("Memory", "MemorySwap", "CpuPeriod", "CpuQuota")
_IMAGE_CHARS = 128


class GuardedCells:
    """Makes the bodies of the create and update calls of this deployment's workers anew."""

    def __init__(self, settings: Settings, images: GuardedImages, owned: Owned) -> None:
        self._settings = settings
        self._images = images
        self._owned = owned

    async def made_anew(self, body: object) -> dict[str, Any]:
        """The body of the create call for a cell, a relay or a proxy, as a worker makes it.

        Raises:
            Refused: `body` differs from that.
        """
        if not isinstance(body, dict):
            raise Refused("a create call without a configuration")
        labels = check_labels(body.get("Labels"), self._settings)
        runtime, image = labels.get(RUNTIME, ""), str(body.get("Image"))[:_IMAGE_CHARS]
        if not self._images.is_runtime(runtime):
            raise Refused("the catalogue has no such runtime as the label names")
        chosen = await self._images.find(runtime, image)
        if chosen is None:
            raise Refused("the image is none that the catalogue has for the runtime on the label")
        if chosen.name == PROXY_IMAGE:
            return await self._way_out(body, labels, image)
        return _same(
            body,
            container_config(
                image=image,
                limits=limits_of(labels, self._settings),
                labels=labels,
                env=_env(body),
                volumes=chosen.volumes,
                network="bridge" if self._settings.network and body.get("NetworkDisabled") is False else None,
                **by_operator(self._settings),
            ),
        )

    def adapted(self, body: object) -> dict[str, Any]:
        """The body of the update call that gives a warm cell the memory and the cores of its job.

        Raises:
            Refused: it changes anything else, or gives more than the operator's maxima.
        """
        if not isinstance(body, dict) or body.keys() != set(_ADAPTED):
            raise Refused("an update of more than memory and cores")
        usual = resolve_limits({}, RuntimeLimits(), self._settings)
        try:
            asked = replace(usual, memory_bytes=body["Memory"], cpus=body["CpuQuota"] / body["CpuPeriod"])
            limits = read_limits(asked.text, self._settings)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refused(f"an update: {str(error)[:100]}") from None
        made = container_config(image="", limits=limits, labels={}, env={})["HostConfig"]
        return _same(body, {name: made[name] for name in _ADAPTED})

    async def _way_out(
        self, body: Mapping[str, Any], labels: Mapping[str, str], image: str
    ) -> dict[str, Any]:
        every: dict[str, Any] = {
            "image": image,
            "limits": limits_of(labels, self._settings),
            "labels": labels,
            "oci_runtime": self._settings.oci_runtime,
        }
        host = body.get("HostConfig")
        if isinstance(host, dict) and str(host.get("NetworkMode")).startswith(_OTHERS):
            cell, proxy = _container(host, "NetworkMode"), _container(host, "IpcMode")
            _same(body, create_call(relay_profile(**every, cell=cell, proxy=proxy)))
            # Ids and not names, so that the engine joins the same containers that were checked.
            cell, proxy = await self._owned.container(cell), await self._owned.container(proxy)
            return create_call(relay_profile(**every, cell=cell, proxy=proxy))
        entry = body.get("Entrypoint")
        rules = entry[-1] if isinstance(entry, list) and entry else None
        if not isinstance(rules, str):
            raise Refused("the image of the proxies is for them alone")
        check_rules(rules, self._settings)
        profile = proxy_profile(**every, exit_network=self._settings.network_exit, rules=rules)
        return _same(body, create_call(profile))


def _env(body: Mapping[str, Any]) -> dict[str, str]:
    lines = body.get("Env")
    if not isinstance(lines, list) or not all(isinstance(line, str) and "=" in line for line in lines):
        raise Refused("the environment is no list of NAME=value")
    return dict(line.split("=", 1) for line in lines)


def _container(host: Mapping[str, Any], key: str) -> str:
    return str(host.get(key)).removeprefix(_OTHERS)


def _same(body: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    if made != body:
        raise Refused(f"{_difference(made, body)} is not as the profile of this version makes it")
    return made


def _difference(made: object, body: object, where: str = "the body") -> str:
    """Where the bodies first differ. The names and values that the caller wrote are not repeated."""
    if isinstance(made, dict) and isinstance(body, dict):
        if body.keys() - made.keys():
            return f"a name in {where}"
        name = next(name for name, value in made.items() if name not in body or value != body[name])
        return _difference(made[name], body.get(name), f"{where}, {name}")
    return where
