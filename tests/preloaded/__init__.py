"""Starts the product's commands from a process that has imported their libraries, which halves a start.

Of the product itself nothing is imported before a command starts.
"""

from tests.preloaded.process import Running, launcher, run, server_number, start

__all__ = ["Running", "launcher", "run", "server_number", "start"]
