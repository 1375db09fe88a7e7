"""The ladder of time limits: each rung stops a job that the rung before has failed to stop."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Ladder", "ladder"]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The ages, in seconds of wall time, at which each rung acts.

    `terminate_s` and `kill_s` count from the start of the command, the others from the start of the task.
    """

    terminate_s: float
    kill_s: float
    soft_s: float
    hard_s: float
    reap_s: float


def ladder(timeout_s: float, grace_s: float, margin_s: float) -> Ladder:
    """Every rung for a job that may run for `timeout_s` and then has `grace_s` to end by itself.

    The margin is the time that the engine may need to start, kill and empty a cell. Each rung after `kill_s`
    leaves that time to the rung before. So soft is always below hard: billiard arms the hard timer only after
    the soft one has fired.
    """
    kill_s = timeout_s + grace_s
    return Ladder(
        terminate_s=timeout_s,
        kill_s=kill_s,
        soft_s=kill_s + margin_s,
        hard_s=kill_s + 2 * margin_s,
        reap_s=kill_s + 3 * margin_s,
    )
