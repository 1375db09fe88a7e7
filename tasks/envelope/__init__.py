"""Judges every message before Celery or kombu reads it.

There are three verdicts. A `Call` is a call of a task that this worker runs, in one clean form. A `Stray` is
a call of another app's task. A `Dead` message is one whose sender can't be answered. A malformed message that
gives its task id becomes a `Call` too, which ends as a failure. Whatever a message holds, `judge` never
raises, and its verdict makes no later code raise.
"""

from tasks.envelope.judge import judge, judge_parts
from tasks.envelope.parts import UNREADABLE, Parts
from tasks.envelope.verdict import JSON, Call, Dead, Stray, sealed

__all__ = ["JSON", "UNREADABLE", "Call", "Dead", "Parts", "Stray", "judge", "judge_parts", "sealed"]
