"""The setting that limits how fast cells read from disks."""

from __future__ import annotations

import pytest

from config import InvalidSetting, load_settings
from config.disk_reads import parse_disk_reads


def test_each_device_has_a_rate() -> None:
    assert parse_disk_reads("/dev/sda=100m,/dev/mapper/vg-lv=1g") == {
        "/dev/sda": 100 << 20,
        "/dev/mapper/vg-lv": 1 << 30,
    }
    assert parse_disk_reads("") == {}


@pytest.mark.parametrize("text", ["sda=1m", "/dev/sda", "/dev/sda=", "/dev/sda=fast", "/dev/../etc=1m", ","])
def test_what_is_no_device_with_a_rate_stops_the_worker_at_its_start(text: str) -> None:
    with pytest.raises(InvalidSetting, match="CELLBLOCK_DISK_READS"):
        load_settings(disk_reads=text)
