"""The guard: stands before the engine's socket, and lets through what a worker does and nothing else."""

from sandbox.guard.server import serve

__all__ = ["serve"]
