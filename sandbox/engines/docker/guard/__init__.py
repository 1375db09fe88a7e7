"""The guard: a proxy before the engine's socket. It passes only the calls that workers make."""

from sandbox.engines.docker.guard.server import serve

__all__ = ["serve"]
