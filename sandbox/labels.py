"""Writes and reads the labels of a container: its owner, its purpose, and its deadline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.process_mark import is_gone, lives_here, this_process

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEADLINE", "LIMITS", "OWNER", "RUNTIME", "STATE", "FoundLabels", "new_labels"]

OWNER, TASK, WORKER = "cellblock.owner", "cellblock.task", "cellblock.worker"
RUNTIME, STATE, PROCESS = "cellblock.runtime", "cellblock.state", "cellblock.process"
DEADLINE = "cellblock.deadline"
#: The label with a container's limits. From it the guard makes the configuration again, to compare the two.
LIMITS = "cellblock.limits"


def new_labels(
    *, owner: str, runtime: str, state: str, deadline: float, limits: str, task: str = "", worker: str = ""
) -> dict[str, str]:
    """The labels of a container that this process makes.

    `state` is "warm" or "job". `deadline` is in Unix seconds of the engine's clock. `limits` is their text,
    which `read_limits` reads.
    """
    return {
        OWNER: owner,
        TASK: task,
        WORKER: worker,
        RUNTIME: runtime,
        DEADLINE: f"{deadline:.0f}",
        STATE: state,
        PROCESS: this_process(),
        LIMITS: limits,
    }


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """The labels of a container that an engine lists. Anyone may have written them."""

    written: Mapping[str, str]

    @property
    def deadline(self) -> float:
        """Until when the container may stay; infinity without such a label.

        Text that is no number gives 0, so that it protects nothing.
        """
        try:
            moment = float(self.written.get(DEADLINE, "inf"))
        except ValueError:
            return 0.0
        return 0.0 if math.isnan(moment) else moment

    @property
    def is_for_job(self) -> bool:
        """Whether the container was made for a job, and not for the warm pool."""
        return self.written.get(STATE) == "job"

    @property
    def is_mine(self) -> bool:
        """Whether this process made the container."""
        return self._process == this_process()

    @property
    def is_orphan(self) -> bool:
        """Whether the process that made it has certainly ended."""
        return is_gone(self._process)

    @property
    def is_attended(self) -> bool:
        """Whether the process that made it certainly runs, on this machine."""
        return lives_here(self._process)

    @property
    def _process(self) -> str:
        return self.written.get(PROCESS, "")
