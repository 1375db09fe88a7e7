"""Live output: clients read what a job writes while the job runs."""

from tasks.live.entry import END, START, STDERR, STDOUT, LiveEntry
from tasks.live.read.follow import follow, follow_async, held_entries

__all__ = ["END", "START", "STDERR", "STDOUT", "LiveEntry", "follow", "follow_async", "held_entries"]
