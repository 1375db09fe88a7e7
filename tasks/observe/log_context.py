"""The facts about a job that each line logged while it runs contains: its task, runtime and container."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["begin_log_context", "end_log_context", "job_facts", "note_job"]

_facts: ContextVar[dict[str, str]] = ContextVar("cellblock_job", default={})  # noqa: B039  never changed


def job_facts() -> dict[str, str]:
    """The facts of the job that this thread runs. Empty if it runs none."""
    return _facts.get()


def begin_log_context(task_id: str, **_: object) -> None:
    """Have the lines of this thread from now on name this task alone."""
    _facts.set({"task": task_id})


def note_job(**facts: str) -> None:
    """Add to the facts of this thread's job."""
    _facts.set(_facts.get() | facts)


def end_log_context(**_: object) -> None:
    """Drop the facts: the job is over."""
    _facts.set({})
