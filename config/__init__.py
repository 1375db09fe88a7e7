"""The lowest layer: the settings, the runtime catalogue and the Celery configuration derived from them."""

from config.ladder import Ladder, ladder
from config.runtimes import Catalogue, Runtime, load_catalogue
from config.settings import InvalidSetting, Settings, load_settings
from config.units import format_bytes, parse_bytes

__all__ = [
    "Catalogue",
    "InvalidSetting",
    "Ladder",
    "Runtime",
    "Settings",
    "format_bytes",
    "ladder",
    "load_catalogue",
    "load_settings",
    "parse_bytes",
]
