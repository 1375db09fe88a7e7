"""The user namespace of a cell: who owns it, and that the worker stays who it is."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

import pytest

from sandbox.engines.oci.ids import IdRange
from sandbox.engines.oci.launcher import Launcher
from sandbox.engines.oci.user_namespace import user_namespace
from tests.conftest import unavailable

# <linux/nsfs.h>
NS_GET_OWNER_UID = 0xB704
# <linux/prctl.h>
GET_DUMPABLE, GET_SECUREBITS = 3, 27
prctl = ctypes.CDLL(None).prctl
IDS = IdRange(3_000_000)


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        unavailable("The engine oci needs root here.")


def owner_of(namespace: str) -> int:
    with Path(namespace).open("rb") as opened:
        said = fcntl.ioctl(opened, NS_GET_OWNER_UID, bytes(4))
    (owner,) = struct.unpack("I", said)
    return int(owner)


def test_the_first_of_its_own_ids_owns_it() -> None:
    with user_namespace(IDS, Launcher()) as namespace:
        assert owner_of(namespace) == IDS.first


def test_it_is_gone_after_the_block_if_nobody_uses_it() -> None:
    with user_namespace(IDS, Launcher()) as namespace:
        pass
    assert not Path(namespace).exists()


def test_the_worker_keeps_its_ids_its_rights_and_its_children() -> None:
    launcher = Launcher()
    status = Path("/proc/thread-self/status")
    said = "Uid", "Gid", "CapEff", "CapPrm", "SigBlk"

    def mine() -> list[str]:
        lines = [line for line in status.read_text().splitlines() if line.startswith(said)]
        return [*lines, str(prctl(GET_SECUREBITS))]

    before = launcher.do(mine)
    with user_namespace(IDS, launcher):
        pass
    assert launcher.do(mine) == before
    assert prctl(GET_DUMPABLE) == 1
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
