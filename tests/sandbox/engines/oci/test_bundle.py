"""The runtime's configuration of a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import load_catalogue, load_settings
from sandbox.engines.oci.bundle import oci_config
from sandbox.engines.oci.dialect import adapted
from sandbox.engines.oci.ids import IdRange
from sandbox.engines.oci.mounts import CellMounts
from sandbox.engines.oci.rlimits import Rlimit
from sandbox.limits import warm_limits
from sandbox.profile import cell_profile

NULL = Path("/mounts/dev/null")
LIMITS = [Rlimit("core", 1, 1)]


@pytest.fixture
def config() -> dict[str, Any]:
    limits = warm_limits(load_catalogue()["bash"], load_settings())
    return oci_config(
        cell_profile(image="sha256:1", limits=limits, labels={}, env={}),
        mounts=CellMounts(Path("/mounts/root"), Path("/mounts/dev"), Path("/bundle"), Path("/state")),
        image_env={},
        ids=IdRange(100_000),
        user_namespace="/proc/1/fd/3",
        cgroup="/cellblock/one",
        machine="x86_64",
    )


def sources(config: dict[str, Any]) -> dict[str, str]:
    return {mount["destination"]: mount["source"] for mount in config["mounts"]}


def test_nothing_is_asked_for_that_crun_refuses_with_version_2(config: dict[str, Any]) -> None:
    assert config["linux"]["resources"]["memory"].keys() == {"limit", "swap"}


def test_the_controller_io_is_asked_for_only_where_the_operator_bounds_reads(config: dict[str, Any]) -> None:
    """The groups of a user's own systemd do not have it."""
    assert "blockIO" not in config["linux"]["resources"]


def test_crun_hides_files_behind_the_device_of_the_cell_and_folders_by_itself(config: dict[str, Any]) -> None:
    mine, prefix = adapted("/usr/bin/crun", config, LIMITS, NULL)
    assert (sources(mine)["/proc/keys"], prefix) == (str(NULL), ())
    assert "/proc/keys" not in mine["linux"]["maskedPaths"]
    assert "/sys/firmware" in mine["linux"]["maskedPaths"]
    assert mine["process"]["rlimits"] == [LIMITS[0].for_oci()]


def test_runc_inherits_its_limits_from_prlimit(config: dict[str, Any]) -> None:
    mine, prefix = adapted("runc", config, LIMITS, NULL)
    assert (mine, prefix) == (config, ("prlimit", "--core=1:1"))


def test_gvisor_makes_its_own_devices_and_its_own_user_namespace(config: dict[str, Any]) -> None:
    mine, prefix = adapted("runsc", config, LIMITS, NULL)
    assert (sources(mine)["/dev"], prefix) == ("tmpfs", ())
    assert {"type": "user"} in mine["linux"]["namespaces"]
    assert mine["process"]["rlimits"] == [LIMITS[0].for_oci()]
