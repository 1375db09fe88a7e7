"""How fast cells may read from the host's disks, as an operator writes it."""

from __future__ import annotations

import re

from config.units import parse_bytes

__all__ = ["parse_disk_reads"]

_DEVICE = re.compile(r"/dev/[\w./-]+")


def parse_disk_reads(text: str) -> dict[str, int]:
    """Bytes a second by device, from text such as "/dev/sda=100m,/dev/nvme0n1=1g".

    Raises:
        ValueError: an entry is no device with a rate.
    """
    return dict(_entry(entry) for entry in text.split(",")) if text else {}


def _entry(text: str) -> tuple[str, int]:
    device, _, rate = text.partition("=")
    if not _DEVICE.fullmatch(device) or ".." in device or not rate:
        raise ValueError(f"{text[:80]!r} is not like /dev/sda=100m")
    return device, parse_bytes(rate)
