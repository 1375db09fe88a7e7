"""The warm pool: cells that are started beforehand, and wait for the one job that each of them will run."""

from sandbox.warm.client import KeeperClient
from sandbox.warm.pool import WarmPool
from sandbox.warm.process import KeeperProcess
from sandbox.warm.sight import Sight

__all__ = ["KeeperClient", "KeeperProcess", "Sight", "WarmPool"]
