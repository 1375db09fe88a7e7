"""Live output: clients read what a job writes while the job runs."""

from tasks.live.entry import END, START, STDERR, STDOUT, LiveEntry
from tasks.live.read.follow import HeardSoFar, follow, follow_async, heard_so_far, held_entries

__all__ = [
    "END",
    "START",
    "STDERR",
    "STDOUT",
    "HeardSoFar",
    "LiveEntry",
    "follow",
    "follow_async",
    "heard_so_far",
    "held_entries",
]
