"""The settings that share the workers among tenants, and bound what waits in the queues."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings

from config.setting_types import setting
from config.tenants import parse_weights

__all__ = ["TenantSettings"]


def _check_weights(text: str) -> str:
    parse_weights(text)
    return text


class TenantSettings(BaseSettings):
    """How tenants share the workers. A message's header `cellblock_tenant` names the job's tenant."""

    tenant_weights: Annotated[str, AfterValidator(_check_weights)] = setting(
        "",
        "How often tenants are served compared with the others, such as `alice=3,bob=1`. A tenant that is not"
        " named here has weight 1. Needs Redis as the broker, as the next three do.",
    )
    tenant_max_running: int | None = setting(
        None,
        "How many jobs of one tenant run at a time, in all workers together; any number, if not set.",
        ge=1,
    )
    tenant_max_queued: int | None = setting(
        None, "How many jobs of one tenant may wait in one queue; any number, if not set.", ge=1
    )
    max_queued: int | None = setting(
        None, "How many jobs may wait in one queue; any number, if not set.", ge=1
    )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each tenant that `tenant_weights` names."""
        return parse_weights(self.tenant_weights)

    @property
    def shares_workers(self) -> bool:
        """Whether the operator has said how tenants share the workers."""
        return bool(self.tenant_weights) or self.tenant_max_running is not None

    @property
    def queue_bounds(self) -> tuple[int, int]:
        """How many jobs may wait in a queue, and how many of one tenant; 0: any number."""
        return self.max_queued or 0, self.tenant_max_queued or 0

    @property
    def bounds_queues(self) -> bool:
        """Whether the number of waiting jobs is bounded."""
        return any(self.queue_bounds)
