"""The types of settings: units, bounds, and texts that are parsed when they are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from config.disk_reads import parse_disk_reads
from config.hosts import parse_patterns
from config.uid_range import parse_uid_range
from config.units import parse_bytes
from config.warm import parse_warm

__all__ = [
    "Bytes",
    "Cores",
    "DiskReads",
    "FileThere",
    "FolderThere",
    "GraceSeconds",
    "HostPatterns",
    "InFolder",
    "LiveBytes",
    "Seconds",
    "UidRange",
    "Warm",
    "setting",
]


def _parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Check that `parse` takes the text, which stays as it is."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _there(is_there: Callable[[Path], bool], what: str) -> AfterValidator:
    """Check that there is such a file or folder."""

    def check(path: Path) -> Path:
        if not is_there(path):
            raise ValueError(f"there is no such {what}")
        return path

    return AfterValidator(check)


Bytes = Annotated[int, BeforeValidator(parse_bytes)]
LiveBytes = Annotated[Bytes, Field(ge=256 << 10)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
GraceSeconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Cores = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Warm = Annotated[str, _parsed_by(parse_warm)]
HostPatterns = Annotated[str, _parsed_by(parse_patterns)]
DiskReads = Annotated[str, _parsed_by(parse_disk_reads)]
FileThere = Annotated[Path, _there(Path.is_file, "file")]
FolderThere = Annotated[Path, _there(Path.is_dir, "folder")]
UidRange = Annotated[str, _parsed_by(parse_uid_range)]
InFolder = Annotated[Path, _there(lambda path: path.parent.is_dir(), "folder")]


def setting(default: object, meaning: str, *, alias: str | None = None, **limits: Any) -> Any:  # noqa: ANN401
    """A field with its meaning, which the reference page shows. Its default is read like any other value."""
    return Field(default, description=meaning, validate_default=True, validation_alias=alias, **limits)
