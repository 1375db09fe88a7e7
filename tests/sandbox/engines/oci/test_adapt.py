"""A warm cell gets the limits of its job, whether they are lower or higher than its own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue, load_settings
from sandbox import EngineFailed, Observer, Sandbox
from sandbox.cell import CellInfo
from sandbox.engines.engine import OpenCell
from sandbox.engines.oci.engine import OciEngine
from sandbox.limits import warm_limits

if TYPE_CHECKING:
    from config import Settings

MIB = 1 << 20


class Looker(Observer):
    """Reads the cell's limit of memory from the host, before the job starts."""

    def __init__(self, settings: Settings) -> None:
        self._engine = OciEngine(settings)
        self.warm = False
        self.limit_bytes = 0

    def placed(self, info: CellInfo) -> None:
        self.warm = info.warm
        self.limit_bytes = self._engine._group(info.container or "").memory()["limit"]


@pytest.mark.parametrize("mib", [64, 600])
def test_a_warm_cell_has_as_much_memory_as_its_job_asks_for(oci_settings: dict[str, Any], mib: int) -> None:
    with Sandbox(load_settings(**oci_settings, warm="0,bash=1")) as box:
        assert box.warm_up(60)
        looker = Looker(box.settings)
        box.run_job(box.parse("true", "bash", memory=mib * MIB), observer=looker)
    assert (looker.warm, looker.limit_bytes) == (True, mib * MIB)


def test_a_warm_cell_whose_control_group_is_gone_takes_no_limits(oci_settings: dict[str, Any]) -> None:
    settings = load_settings(**oci_settings)
    gone = OpenCell("gone", CellInfo("oci", "crun", "", "", "gone"), (), group="/gone")
    with (
        closing(OciEngine(settings)) as engine,
        pytest.raises(EngineFailed, match="No such file"),
    ):
        engine.adapt(gone, warm_limits(load_catalogue()["bash"], settings))
