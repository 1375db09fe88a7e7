"""The guard: a proxy in front of the engine's socket that lets only those calls through that workers make."""

from sandbox.engines.docker.guard.server import serve

__all__ = ["serve"]
