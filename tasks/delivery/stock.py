"""Kombu's own Redis transport, imported by name because kombu's type stubs lack most of it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["stock"]

stock: Any = import_module("kombu.transport.redis")
