"""Judges every message before anything of Celery's or kombu's looks at it.

A message is a call of a task that this worker runs, which comes out of here in one clean form; or somebody
else's; or dead: nobody can be answered. A call that makes no sense, but says which task it is, is a call too,
that ends as a failure: `judge` and what it hands on never raise for what a message holds.
"""

from tasks.envelope.judge import judge, judge_parts
from tasks.envelope.parts import Parts
from tasks.envelope.verdict import JSON, Call, Dead, Stray, Verdict, sealed

__all__ = [
    "JSON",
    "Call",
    "Dead",
    "Parts",
    "Stray",
    "Verdict",
    "judge",
    "judge_parts",
    "sealed",
]
