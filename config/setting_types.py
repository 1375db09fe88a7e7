"""The types of settings: units, bounds, and texts that are parsed when they are used."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from config.disk_reads import parse_disk_reads
from config.hosts import parse_patterns
from config.units import parse_bytes
from config.warm import parse_warm

__all__ = [
    "Bytes",
    "Cores",
    "DiskReads",
    "GraceSeconds",
    "HostPatterns",
    "LiveBytes",
    "Seconds",
    "Warm",
    "setting",
]


def _checked_warm(text: str) -> str:
    parse_warm(text)
    return text


def _checked_hosts(text: str) -> str:
    parse_patterns(text)
    return text


def _checked_disk_reads(text: str) -> str:
    parse_disk_reads(text)
    return text


Bytes = Annotated[int, BeforeValidator(parse_bytes)]
LiveBytes = Annotated[Bytes, Field(ge=256 << 10)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
GraceSeconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cores = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Warm = Annotated[str, AfterValidator(_checked_warm)]
HostPatterns = Annotated[str, AfterValidator(_checked_hosts)]
DiskReads = Annotated[str, AfterValidator(_checked_disk_reads)]


def setting(default: object, meaning: str, *, alias: str | None = None, **limits: Any) -> Any:  # noqa: ANN401
    """A field with its meaning, which the reference page shows. Its default is read like any other value."""
    return Field(default, description=meaning, validate_default=True, validation_alias=alias, **limits)
