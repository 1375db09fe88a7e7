"""The settings of this process, read once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from config import load_catalogue, load_settings
from sandbox.limits import check_catalogue

if TYPE_CHECKING:
    from config import Catalogue, Settings

__all__ = ["this_catalogue", "this_settings"]


@cache
def this_settings() -> Settings:
    """The settings from this process's environment."""
    return load_settings()


@cache
def this_catalogue() -> Catalogue:
    """The runtimes that these settings give.

    Raises:
        InvalidSetting: the operator's file is invalid, or asks for more than the settings allow.
    """
    catalogue = load_catalogue(this_settings().runtimes)
    check_catalogue(catalogue, this_settings())
    return catalogue
