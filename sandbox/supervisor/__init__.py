"""The supervisor: process 1 of every cell, and the protocol that the worker speaks with it."""

from sandbox.supervisor.orders import SUPERVISOR, encode_orders
from sandbox.supervisor.session import Session

__all__ = ["SUPERVISOR", "Session", "encode_orders"]
